// @ts-check
/** Whatever happens between client and server, no event is lost or doubled. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { seeded } from "./support/random.mjs";
import { REFUSALS, SILENCES, agree, streamsAre } from "./support/refusals.mjs";
import { collect, rig } from "./support/rig.mjs";

test("one cursor over all transports: from one to the next nothing is lost or doubled", async () => {
  const { clock, server, client } = rig();
  const journal = server.add({ id: "a" });
  const operation = client.watch("a");
  const collected = collect(operation);
  let line = 0;
  const report = async () => {
    for (let n = 0; n < 3; n++) journal.log(`line ${line++}`);
    journal.progress(line / 100);
    await clock.advance(50);
  };
  await clock.advance(100);
  await report();
  assert.equal(client.connection.snapshot.transport, "sse");
  server.gate = streamsAre(REFUSALS[406]);
  server.cut();
  await report(); // while it is away
  await clock.advance(6_000);
  assert.equal(client.connection.snapshot.transport, "ws");
  await report();
  server.sockets = "refuse";
  server.cut();
  await report();
  await clock.advance(6_000);
  assert.equal(client.connection.snapshot.transport, "poll");
  await report();
  await clock.advance(2_000);
  await report();
  server.gate = () => undefined;
  await clock.advance(120 * 60_000);
  assert.equal(client.connection.snapshot.transport, "sse");
  await report();
  journal.succeed({ lines: line });
  await clock.advance(100);
  agree(operation, collected, journal);
});

for (let seed = 1; seed <= 40; seed++) {
  test(`whatever happens, all is the same in the end, and no event lost or doubled (${seed})`, async () => {
    const random = seeded(seed);
    const { clock, server, client } = rig({ random });
    const chance = (/** @type {number} */ share) => random() < share;
    const pick = (/** @type {readonly any[]} */ among) => among[Math.floor(random() * among.length)];
    server.retry = pick([null, 500, 2_000]);
    const journals = ["a", "b", "c"].map((id) => server.add({ id, kind: pick(["copy", "import"]) }));
    const list = client.watchAll({ kind: "copy" });
    const followed = journals.map(({ id }) => {
      const operation = client.watch(id);
      return { operation, collected: collect(operation) };
    });
    const answers = [
      undefined,
      undefined,
      "fail",
      "hang",
      ...Object.values(SILENCES),
      ...Object.values(REFUSALS),
    ];
    for (let turn = 0; turn < 80; turn++) {
      const journal = pick(journals);
      if (!journal.ended) {
        if (chance(0.5)) journal.log(`turn ${turn}`);
        if (chance(0.3)) journal.progress(random(), chance(0.5) ? { id: "scan", completed: turn } : null);
        if (chance(0.2)) journal.output(turn);
        if (chance(0.05) && journal.snapshot.state === "running") journal.state("cancelling");
        if (chance(0.02)) journal.succeed(turn);
      }
      if (chance(0.1)) server.cut();
      if (chance(0.05)) server.drain();
      if (chance(0.1)) server.beat();
      if (chance(0.3)) {
        const [stream, answer] = [pick(answers), pick([undefined, undefined, undefined, "fail"])];
        // A 404 for one operation says that it is gone, and means it.
        const made =
          typeof stream === "function" && stream !== REFUSALS[404]
            ? stream
            : () => (typeof stream === "string" ? stream : undefined);
        server.gate = (request) => streamsAre(made)(request) ?? answer;
        server.sockets = pick(["open", "open", "refuse", "hang"]);
        server.slice = pick([1, 7, Infinity]);
      }
      await clock.advance(Math.floor(random() ** 3 * 10_000));
      assert.ok(server.open.size <= 1, "one connection");
    }
    server.gate = () => undefined;
    server.sockets = "open";
    for (const journal of journals) if (!journal.ended) journal.succeed("at the end");
    await clock.advance(60_000);
    for (const [at, { operation, collected }] of followed.entries())
      agree(operation, collected, journals[at]);
    const copies = journals.filter(({ snapshot }) => snapshot.kind === "copy").reverse();
    assert.deepEqual([...list.snapshot].reverse(), copies.map(({ snapshot }) => snapshot).reverse());
    client.close();
    await clock.advance(0);
    assert.equal(server.open.size, 0);
    assert.equal(clock.pending, 0);
  });
}

// @ts-check
/** What the connection says of itself, and what another history makes of what is held. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { streamsAre } from "./support/refusals.mjs";
import { collect, only, outcome, rig } from "./support/rig.mjs";

/** @param {readonly any[]} snapshots */
const ids = (snapshots) => snapshots.map(({ id }) => id);

test("another history: told as a gap, and lost with the last value", async () => {
  const { clock, server, client } = rig();
  const all = client.watchAll();
  const journals = ["a", "b"].map((id) => server.add({ id }));
  await clock.advance(100);
  journals[0].progress(0.4);
  await clock.advance(100);
  const collected = collect(all);
  server.restart();
  await clock.advance(6_000);
  assert.equal(only(collected.messages, "gap")[0].reason, "epoch");
  assert.deepEqual(
    all.snapshot.map(({ id, state }) => [id, state]),
    [
      ["b", "lost"],
      ["a", "lost"],
    ],
  );
  assert.equal(all.get("a")?.progress.fraction, 0.4);
  assert.equal(all.fraction("a"), 0.4);
  assert.ok(server.streams.at(-1)?.headers.get("last-event-id"));
});

test("another history that breaks off before its bookmark: the next one counts", async () => {
  const { clock, server, client } = rig({ transports: ["sse"] });
  const all = client.watchAll();
  server.add({ id: "a" });
  server.add({ id: "b" });
  await clock.advance(100);
  server.restart();
  server.add({ id: "b" });
  let isCut = false;
  server.gate = streamsAre(() => {
    if (isCut) return undefined;
    isCut = true;
    clock.setTimeout(() => server.cut(), 5);
    const data = { type: "gap", operation: null, reason: "epoch", missed: null };
    const gap = `id: ${server.epoch}-0\nevent: gap\ndata: ${JSON.stringify(data)}\n\n`;
    return new Response(
      new ReadableStream({ start: (it) => (it.enqueue(new TextEncoder().encode(gap)), it.close()) }),
      {
        headers: { "Content-Type": "text/event-stream" },
      },
    );
  });
  await clock.advance(10_000);
  assert.deepEqual(
    all.snapshot.map(({ id, state }) => [id, state]),
    [
      ["b", "running"],
      ["a", "lost"],
    ],
  );
});

test("a status is told when it changes, and is replaced, not changed", async () => {
  const { clock, server, client } = rig();
  server.add({ id: "a" });
  const { subscribe } = client.connection;
  /** @type {any[]} */
  const seen = [];
  const undo = subscribe(() => seen.push(client.connection.snapshot));
  const before = client.connection.snapshot;
  assert.deepEqual(before, { state: "idle", transport: null, retryAt: null, heardAt: null, error: null });
  const operation = client.watch("a");
  await clock.advance(100);
  server.cut();
  await clock.advance(6_000);
  operation.close();
  await clock.advance(100);
  assert.deepEqual(
    seen.map(({ state }) => state),
    ["connecting", "live", "waiting", "live", "idle"],
  );
  assert.equal(new Set(seen).size, seen.length);
  assert.equal(before.state, "idle");
  undo();
  client.watch("a");
  await clock.advance(100);
  assert.equal(seen.length, 5);
});

test("a catch-up that was tried in vain at first leaves no trace in the status", async () => {
  const { clock, server, client } = rig();
  server.add({ id: "a" }).succeed(1);
  const answers = ["fail"];
  server.gate = () => /** @type {any} */ (answers.shift());
  const operation = client.watch("a");
  await clock.advance(200);
  assert.equal(client.connection.snapshot.state, "waiting");
  await clock.advance(10_000);
  assert.equal(operation.snapshot?.state, "succeeded");
  assert.equal(client.connection.snapshot.state, "idle");
});

test("what was tried in vain, and then given up, neither", async () => {
  const { clock, server, client } = rig();
  server.gate = () => "fail";
  const operation = client.watch("a");
  await clock.advance(1_200);
  assert.equal(client.connection.snapshot.state, "waiting");
  operation.close();
  await clock.advance(10);
  assert.equal(client.connection.snapshot.state, "idle");
  assert.equal(clock.pending, 0);
});

test("the server was started again: what it forgot is lost, also if nobody looked before", async () => {
  for (const looks of [false, true]) {
    const { clock, server, client } = rig();
    const journals = ["1", "2", "3"].map((id) => server.add({ id }));
    journals.forEach((journal, at) => journal.progress((at + 1) / 10));
    journals[2].succeed(3);
    const operations = client.watchAll();
    const collected = collect(operations);
    if (looks) operations.subscribe(() => operations.snapshot);
    await clock.advance(100);
    server.restart();
    server.add({ id: "4" });
    await clock.advance(20_000);
    const shown = operations.snapshot.map(({ id, state, progress: { fraction } }) => [id, state, fraction]);
    assert.deepEqual(shown, [
      ["4", "running", null],
      ["3", "succeeded", 0.3],
      ["2", "lost", 0.2],
      ["1", "lost", 0.1],
    ]);
    assert.deepEqual(operations.snapshot[1].result, 3);
    assert.ok(operations.snapshot[2].finished_at);
    assert.equal(operations.get("1")?.state, "lost");
    assert.equal(operations.fraction("2"), 0.2);
    const lost = collected.messages.filter(({ state }) => state === "lost");
    assert.deepEqual(lost.map(({ operation }) => operation).sort(), ["1", "2"]);
    server.add({ id: "5" });
    await clock.advance(100);
    assert.deepEqual(ids(operations.snapshot), ["5", "4", "3", "2", "1"]);
  }
});

test("the server was started again, and an operation's own stream with it", async () => {
  const { clock, server, client } = rig();
  const journal = server.add({ id: "1" });
  const operation = client.watch("1");
  await clock.advance(100);
  journal.progress(0.4, { id: "scan", fraction: 0.4 });
  journal.log("the last");
  await clock.advance(100);
  const collected = collect(operation);
  const result = outcome(operation.result());
  server.restart();
  await clock.advance(20_000);
  assert.equal(operation.snapshot?.state, "lost");
  assert.equal(operation.snapshot?.progress.fraction, 0.4);
  assert.equal(operation.snapshot?.steps.length, 1);
  assert.equal(operation.logs.length, 1);
  assert.equal(operation.fraction, 0.4);
  assert.equal(operation.error, null);
  assert.deepEqual(
    collected.messages.map(({ state }) => state),
    ["lost"],
  );
  assert.ok(collected.isOver);
  assert.equal(result.error.name, "OperationError");
  assert.equal(clock.pending, 0);
});

test("two operations' one stream meets another server: both are lost, a new one is not", async () => {
  const { clock, server, client } = rig();
  for (const id of ["1", "2", "3"]) server.add({ id });
  const operations = ["1", "2", "3"].map((id) => client.watch(id));
  await clock.advance(100);
  server.restart();
  server.add({ id: "3" }); // it came back with that one
  await clock.advance(20_000);
  assert.deepEqual(
    operations.map(({ snapshot }) => snapshot?.state),
    ["lost", "lost", "running"],
  );
  server.journals.get("3")?.succeed(9);
  await clock.advance(100);
  assert.deepEqual(operations[2].snapshot, server.journals.get("3")?.snapshot);
});

// @ts-check
/** When a connection counts as dead, and what is left of one. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { live, rig } from "./support/rig.mjs";

test("the watchdog: bookmarks keep a quiet stream alive, silence ends it", async () => {
  const { clock, server, client } = await live();
  for (let n = 0; n < 20; n++) {
    await clock.advance(15_000);
    server.beat();
  }
  await clock.advance(10);
  assert.equal(server.streams.length, 1);
  const { heardAt } = client.connection.snapshot;
  assert.ok(clock.now() - Number(heardAt) < 1_000, "it is told when it was heard");
  await clock.advance(34_000);
  assert.equal(server.streams.length, 1);
  await clock.advance(12_000);
  assert.equal(server.streams.length, 2);
  assert.equal(server.streams[0].signal?.aborted, true, "the dead one is let go of");
  assert.equal(server.open.size, 1);
});

test("the watchdog's patience can be set", async () => {
  const { clock, server } = await live({ silence: 60_000 });
  await clock.advance(59_000);
  assert.equal(server.streams.length, 1);
  await clock.advance(12_000);
  assert.equal(server.streams.length, 2);
});

test("bytes that are no event count as life", async () => {
  const { clock, server } = await live();
  for (let n = 0; n < 10; n++) {
    await clock.advance(20_000);
    for (const stream of /** @type {any[]} */ ([...server.open])) stream.raw(": still here\n");
  }
  assert.equal(server.streams.length, 1);
});

test("the watchdog looks at WebSockets, too", async () => {
  const { clock, server } = await live({ transports: ["ws"] });
  for (let n = 0; n < 4; n++) {
    await clock.advance(15_000);
    server.beat();
  }
  assert.equal(server.streams.length, 1);
  await clock.advance(46_000);
  assert.equal(server.streams.length, 2);
});

test("a frozen page did not hear, but that is not silence; a stream that is dead is found", async () => {
  const { clock, server } = await live();
  await clock.advance(10_000);
  server.beat();
  await clock.advance(3_000);
  clock.freeze(10 * 60_000);
  await clock.advance(20_000);
  assert.equal(server.streams.length, 1, "it was not the stream that stood still");
  server.beat();
  await clock.advance(30_000);
  assert.equal(server.streams.length, 1);
  clock.freeze(10 * 60_000);
  await clock.advance(15_000);
  assert.equal(server.streams.length, 2, "30 s before, and some after it");
});

test("a page whose timers are throttled to one a minute keeps its stream", async () => {
  const { clock, server } = await live();
  for (let n = 0; n < 20; n++) {
    for (let beat = 0; beat < 4; beat++) {
      clock.freeze(15_000);
      server.beat();
      await new Promise((resolve) => setImmediate(resolve)); // the stream is read, no timer runs
    }
    await clock.advance(0);
  }
  assert.equal(server.streams.length, 1);
});

test("a catch-up that hangs is given up in time, and made again", async () => {
  for (const answer of ["hang", "headers"]) {
    const { clock, server, client } = rig();
    server.add({ id: "a" });
    let tries = 0;
    server.gate = () => {
      if (++tries > 1) return undefined;
      return answer === "hang"
        ? answer
        : new Response(new ReadableStream({}), { headers: { "Content-Type": "text/event-stream" } });
    };
    const operation = client.watch("a");
    await clock.advance(90_000);
    assert.equal(operation.snapshot?.state, "running", answer);
  }
});

test("very many reconnects and polls leave nothing behind", async () => {
  /** @type {any[]} */
  const warnings = [];
  const note = (/** @type {any} */ warning) => warnings.push(warning);
  process.on("warning", note);
  for (const transports of /** @type {const} */ ([["sse"], ["poll"], ["ws"]])) {
    const { clock, server, client, operation } = await live({ transports });
    for (let n = 0; n < 60; n++) {
      if (transports[0] !== "poll") server.cut();
      await clock.advance(6_000);
      assert.ok(clock.pending <= 3, `${clock.pending} timers`);
    }
    operation.close();
    client.close();
    await clock.advance(0);
    assert.equal(clock.pending, 0);
  }
  process.off("warning", note);
  assert.deepEqual(warnings, []);
});

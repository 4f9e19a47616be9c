// @ts-check
/** The three transports: what is tried when. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { REFUSALS, SILENCES, SSE, streamsAre } from "./support/refusals.mjs";
import { rig } from "./support/rig.mjs";

/** Routes of the streams and polls, without the catch-up. @param {any} server */
const tried = (server) =>
  server.requests
    .slice(1)
    .map((/** @type {any} */ { route, headers }) => (headers.has("prefer") ? "poll" : route));

test("SSE, if nothing speaks against it", async () => {
  const { clock, server, client } = rig();
  server.add();
  client.watchAll();
  await clock.advance(60_000);
  const { state, transport, error, retryAt } = client.connection.snapshot;
  assert.deepEqual(
    { state, transport, error, retryAt },
    { state: "live", transport: "sse", error: null, retryAt: null },
  );
  assert.deepEqual(tried(server), ["GET events", "GET events"], "once more, because it was silent for 35 s");
});

for (const [name, answer] of Object.entries(REFUSALS)) {
  test(`SSE is refused (${name}): WebSocket, at once`, async () => {
    const { clock, server, client } = rig();
    const journal = server.add();
    const operations = client.watchAll();
    server.gate = streamsAre(answer);
    await clock.advance(100);
    assert.deepEqual(tried(server), ["GET events", "GET ws"]);
    const { state, transport } = client.connection.snapshot;
    assert.deepEqual([state, transport], ["live", "ws"]);
    journal.succeed();
    await clock.advance(10);
    assert.deepEqual(operations.snapshot, [journal.snapshot]);
  });
}

for (const [name, answer] of Object.entries(SILENCES)) {
  test(`SSE says ${name}: WebSocket after 4 s, and what was open is closed`, async () => {
    const { clock, server, client } = rig();
    server.add();
    client.watchAll();
    server.gate = streamsAre(answer);
    await clock.advance(3_900);
    assert.deepEqual(tried(server), ["GET events"]);
    assert.equal(client.connection.snapshot.state, "connecting");
    await clock.advance(200);
    assert.deepEqual(tried(server), ["GET events", "GET ws"]);
    assert.equal(client.connection.snapshot.transport, "ws");
    assert.equal(server.streams[0].signal?.aborted, true);
  });
}

test("a stream whose first byte comes in time has all the time for its next", async () => {
  const { clock, server, client } = rig();
  server.add();
  client.watchAll();
  /** @type {ReadableStreamDefaultController<any> | undefined} */
  let controller;
  server.gate = streamsAre(
    () => new Response(new ReadableStream({ start: (it) => void (controller = it) }), { headers: SSE }),
  );
  await clock.advance(3_000);
  controller?.enqueue(new TextEncoder().encode("retry: 1000\n\n"));
  await clock.advance(20_000);
  assert.deepEqual(tried(server), ["GET events"]);
  assert.equal(client.connection.snapshot.state, "live");
});

for (const sockets of /** @type {const} */ (["refuse", "hang"])) {
  test(`a WebSocket that does not get through (${sockets}): polls`, async () => {
    const { clock, server, client } = rig();
    const journal = server.add();
    const operations = client.watchAll();
    server.gate = streamsAre(REFUSALS["a page"]);
    server.sockets = sockets;
    await clock.advance(sockets === "hang" ? 4_100 : 100);
    assert.deepEqual(tried(server).slice(0, 2), ["GET events", "GET ws"]);
    const { state, transport } = client.connection.snapshot;
    assert.deepEqual([state, transport], ["polling", "poll"]);
    journal.progress(0.5);
    await clock.advance(2_000);
    assert.equal(operations.fraction(journal.id), 0.5);
  });
}

test("a WebSocket that opens, but does not let us subscribe", async () => {
  const { clock, server, client } = rig();
  const journal = server.add();
  const operations = client.watchAll();
  server.gate = streamsAre(REFUSALS["a page"]);
  server.answerCall = () => ({ code: -32601, message: "there is no such method" });
  await clock.advance(10_000);
  journal.succeed();
  await clock.advance(10_000);
  assert.deepEqual(operations.snapshot, [journal.snapshot]);
});

test("a WebSocket that opens, and then says nothing", async () => {
  const { clock, server, client } = rig();
  const journal = server.add();
  const operations = client.watchAll();
  server.gate = streamsAre(REFUSALS["a page"]);
  server.answerCall = () => "silence";
  await clock.advance(10_000);
  journal.succeed();
  await clock.advance(10_000);
  assert.deepEqual(operations.snapshot, [journal.snapshot]);
});

test("without a WebSocket in this world", async () => {
  Reflect.deleteProperty(globalThis, "WebSocket");
  const { clock, server, client } = rig({ WebSocket: undefined });
  server.add();
  client.watchAll();
  server.gate = streamsAre(REFUSALS[406]);
  await clock.advance(1_000);
  assert.equal(client.connection.snapshot.transport, "poll");
});

test("the winner is remembered: the next connection begins with it", async () => {
  const { clock, server, client } = rig();
  server.add();
  client.watchAll();
  server.gate = streamsAre(REFUSALS[406]);
  await clock.advance(20_000);
  server.cut();
  await clock.advance(20_000);
  assert.deepEqual(tried(server), ["GET events", "GET ws", "GET ws"]);
  assert.equal(client.connection.snapshot.state, "live");
});

test("the winner stays it when something else is watched, too", async () => {
  const { clock, server, client } = rig();
  const journals = [server.add(), server.add()];
  client.watch(journals[0].id);
  server.gate = streamsAre(REFUSALS[406]);
  await clock.advance(20_000);
  client.watch(journals[1].id);
  await clock.advance(1_000);
  assert.deepEqual(
    server.streams.map(({ route }) => route.replace(/.*\//, "")),
    ["events", "GET ws", "GET ws"],
  );
});

test("who polls asks no more than once a second, and waits where there are no news", async () => {
  const { clock, server, client } = rig({ transports: ["poll"] });
  const journal = server.add();
  client.watchAll();
  await clock.advance(60_000);
  const polls = server.to("GET events");
  assert.ok(polls.length >= 2 && polls.length < 10, `${polls.length} in a minute without news`);
  for (const { headers } of polls) assert.match(String(headers.get("prefer")), /^wait=(\d|[1-5]\d)$/);
  const before = server.requests.length;
  for (let n = 0; n < 100; n++) {
    journal.progress(n / 100);
    await clock.advance(100);
  }
  const asked = server.requests.slice(before).map(({ at }) => at);
  assert.ok(asked.length >= 8, "they come within a second or so");
  for (const [at, time] of asked.entries()) assert.ok(at === 0 || time - asked[at - 1] >= 1_000);
});

test("who polls finds the way back to something better", async () => {
  const { clock, server, client } = rig();
  const journal = server.add();
  client.watch(journal.id);
  server.gate = streamsAre(REFUSALS["a page"]);
  server.sockets = "refuse";
  await clock.advance(30_000);
  assert.equal(client.connection.snapshot.state, "polling");
  server.gate = () => undefined;
  await clock.advance(120 * 60_000);
  assert.equal(client.connection.snapshot.transport, "sse");
});

test("a poll that finds the end stops", async () => {
  const { clock, server, client } = rig({ transports: ["poll"] });
  const journal = server.add({ id: "a" });
  const operation = client.watch("a");
  await clock.advance(5_000);
  journal.log("one");
  journal.succeed(1);
  await clock.advance(5_000);
  assert.deepEqual(operation.snapshot, journal.snapshot);
  const requests = server.requests.length;
  await clock.advance(120_000);
  assert.equal(server.requests.length, requests);
  assert.equal(clock.pending, 0);
  assert.equal(client.connection.snapshot.state, "idle");
});

test("a poll that ended between two polls", async () => {
  const { clock, server, client } = rig({ transports: ["poll"] });
  const journal = server.add({ id: "a" });
  const operation = client.watch("a");
  await clock.advance(5_000);
  server.gate = ({ route }) => void (/events$/.test(route) && !journal.ended && journal.succeed(1));
  journal.log("so that it asks again");
  await clock.advance(30_000);
  assert.deepEqual(operation.snapshot, journal.snapshot);
  assert.equal(clock.pending, 0);
});

for (const transports of /** @type {const} */ ([["ws"], ["poll"], ["poll", "sse"], ["ws", "sse"]])) {
  test(`only what is allowed: ${transports}`, async () => {
    const { clock, server, client } = rig({ transports });
    const journal = server.add({ id: "a" });
    const operation = client.watch("a");
    await clock.advance(3_000);
    assert.equal(client.connection.snapshot.transport, transports[0]);
    journal.log("one");
    await clock.advance(3_000);
    assert.equal(operation.logs.length, 1);
  });
}

test("nothing gets through: all are tried again, after a pause that is told, with the error", async () => {
  const { clock, server, client } = rig();
  server.add();
  client.watchAll();
  await clock.advance(10);
  server.cut();
  server.gate = () => "fail";
  server.sockets = "refuse";
  await clock.advance(60_000);
  const { state, retryAt, error } = client.connection.snapshot;
  assert.equal(state, "waiting");
  assert.ok(Number(retryAt) >= clock.now() && Number(retryAt) <= clock.now() + 5_000);
  assert.ok(error instanceof Error);
  assert.ok(server.requests.length > 12 && server.requests.length < 100);
  server.gate = () => undefined;
  await clock.advance(5_000);
  assert.ok(["live", "polling"].includes(client.connection.snapshot.state));
  assert.equal(client.connection.snapshot.error, null);
});

test("an outage in which nothing answers does not end with polls for ever", async () => {
  const { clock, server, client } = rig();
  server.add();
  client.watchAll();
  await clock.advance(20_000);
  server.cut();
  server.gate = () => "hang";
  server.sockets = "hang";
  await clock.advance(17_000);
  server.gate = () => undefined;
  server.sockets = "open";
  // Everything that hung is given up in time, whatever it was.
  await clock.advance(10_000);
  assert.ok(["live", "polling"].includes(client.connection.snapshot.state), client.connection.snapshot.state);
  await clock.advance(120 * 60_000);
  assert.notEqual(client.connection.snapshot.transport, "poll");
});

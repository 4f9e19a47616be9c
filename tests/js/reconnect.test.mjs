// @ts-check
/** When a connection is made again, and when not. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { seeded } from "./support/random.mjs";
import { streamsAre } from "./support/refusals.mjs";
import { collect, live, only, outcome, rig } from "./support/rig.mjs";
import { problem } from "./support/streams.mjs";

const ALMOST_ONE = 1 - Number.EPSILON;

/** Milliseconds between the tries. @param {any} server */
function pauses(server) {
  const times = server.streams.map((/** @type {any} */ { at }) => at);
  return times
    .slice(1)
    .map((/** @type {number} */ time, /** @type {number} */ at) => Math.round(time - times[at]));
}

test("what breaks off is resumed with the last id, and nothing is lost or doubled", async () => {
  for (const slice of [1, 5, Infinity]) {
    const { clock, server, journal, operation } = await live();
    server.slice = slice;
    const collected = collect(operation);
    for (let n = 0; n < 20; n++) {
      journal.log(`${n}`);
      await clock.advance(10);
      const { cursor } = journal.log(`${n} and a half`);
      if (n % 3 === 0) await clock.advance(10);
      if (n % 2) server.cut();
      else server.drain();
      await clock.advance(6_000);
      if (n % 3 === 0) assert.equal(server.streams.at(-1)?.headers.get("last-event-id"), cursor);
    }
    journal.succeed();
    await clock.advance(100);
    assert.deepEqual(
      collected.messages.filter(({ type }) => type !== "snapshot"),
      journal.past.slice(2),
    );
  }
});

test("an event that was cut in the middle comes again, whole", async () => {
  const { clock, server, journal, operation } = await live();
  const [stream] = /** @type {any[]} */ ([...server.open]);
  stream.raw('id: 1766150400123456-999\nevent: log\ndata: {"type":"log","cur');
  server.cut();
  journal.log("one");
  await clock.advance(6_000);
  assert.equal(
    server.streams[1].headers.get("last-event-id"),
    server.streams[0].headers.get("last-event-id"),
  );
  assert.deepEqual(operation.logs, only(journal.past, "log"));
});

test("what is no JSON ends the connection, not the following", async () => {
  const { clock, server, journal, operation } = await live();
  const [stream] = /** @type {any[]} */ ([...server.open]);
  stream.raw("event: log\ndata: <html>\n\n");
  journal.log("one");
  await clock.advance(6_000);
  assert.equal(operation.logs.length, 1);
});

test("full jitter: the pauses are random below a bound that doubles, up to 5 s", async () => {
  const { clock, server } = await live({ random: () => ALMOST_ONE });
  server.gate = streamsAre(() => "fail");
  server.cut();
  await clock.advance(40_000);
  assert.deepEqual(pauses(server).slice(1, 8), [2_000, 4_000, 5_000, 5_000, 5_000, 5_000, 5_000]);
  const random = seeded(7);
  const other = await live({ random });
  other.server.gate = streamsAre(() => "fail");
  other.server.cut();
  await other.clock.advance(10 * 60_000);
  const jittered = pauses(other.server).slice(4);
  assert.ok(jittered.every((ms) => ms <= 5_000));
  assert.ok(jittered.some((ms) => ms < 1_000) && jittered.some((ms) => ms > 4_000), "over all of the window");
  const mean = jittered.reduce((sum, ms) => sum + ms) / jittered.length;
  assert.ok(mean > 2_000 && mean < 3_000, `${mean}`);
});

test("the first pause is a second at most, or what the server says", async () => {
  for (const [retry, expected] of [
    [null, 1_000],
    [1_500, 1_500],
    [3_000, 3_000],
    [20_000, 20_000],
  ]) {
    const { clock, server, client } = rig({ transports: ["sse"], random: () => ALMOST_ONE });
    server.retry = retry;
    server.add({ id: "a" });
    client.watch("a");
    await clock.advance(1_000);
    server.drain();
    const began = clock.now();
    await clock.advance(0);
    assert.equal(client.connection.snapshot.state, "waiting");
    assert.ok(
      Math.abs(Number(client.connection.snapshot.retryAt) - began - Number(expected)) < 1,
      `${retry}`,
    );
    await clock.advance(Number(expected) - 10);
    assert.equal(server.streams.length, 1);
    await clock.advance(20);
    assert.equal(server.streams.length, 2);
    assert.equal(client.connection.snapshot.state, "live");
  }
});

test("a retry that says 0 is no loop without a pause", async () => {
  const { clock, server } = await live({ random: () => ALMOST_ONE });
  server.retry = 0;
  server.gate = ({ route }) => void (/events/.test(route) && clock.setTimeout(() => server.drain(), 1));
  server.drain();
  await clock.advance(10_000);
  assert.ok(server.streams.length < 60, `${server.streams.length} in 10 s`);
});

test("503, then fine; Retry-After is a minimum", async () => {
  const { clock, server, client, journal, operation } = await live({ random: () => 0.1 });
  const answers = [
    problem(503, "busy", "later", { "Retry-After": "8" }),
    problem(503, "busy", "later"),
    problem(502, "oops", "no"),
  ];
  server.gate = streamsAre(() => answers.shift());
  server.cut();
  journal.log("while it was away");
  await clock.advance(1_000);
  assert.equal(server.streams.length, 2);
  const { state, error, transport } = client.connection.snapshot;
  assert.deepEqual([state, /** @type {any} */ (error).status, transport], ["waiting", 503, "sse"]);
  await clock.advance(6_900);
  assert.equal(server.streams.length, 2);
  await clock.advance(5_000);
  assert.equal(server.streams.length, 5);
  assert.equal(client.connection.snapshot.state, "live");
  assert.equal(client.connection.snapshot.error, null);
  assert.equal(operation.logs.length, 1);
  assert.equal(operation.error, null);
});

test("503 does not change the transport: the server is there", async () => {
  const { clock, server, client } = rig();
  server.add({ id: "a" });
  client.watch("a");
  await clock.advance(100);
  server.cut();
  const answers = Array.from({ length: 5 }, () => problem(503, "busy", "later"));
  server.gate = streamsAre(() => answers.shift());
  await clock.advance(60_000);
  assert.ok(server.streams.every(({ route }) => route.endsWith("events")));
  assert.equal(client.connection.snapshot.transport, "sse");
});

test("the back-off begins anew only after a connection that was stable", async () => {
  const { clock, server } = await live({ random: () => ALMOST_ONE });
  // It flaps: every connection is good, and gone after a second.
  const pause = async () => {
    const [before, cutAt] = [server.streams.length, clock.now()];
    server.cut();
    while (server.streams.length === before) await clock.advance(50);
    return server.streams[before].at - cutAt;
  };
  const flapping = [];
  for (let n = 0; n < 5; n++) {
    await clock.advance(1_000);
    flapping.push(Math.round(await pause()));
  }
  assert.deepEqual(flapping, [1_000, 2_000, 4_000, 5_000, 5_000]);
  await clock.advance(30_000);
  assert.equal(Math.round(await pause()), 1_000, "after a stable one");
});

test("204 and terminal states stop: no request after", async () => {
  const { clock, server, client, journal, operation } = await live();
  server.cut();
  journal.succeed(7);
  server.gate = streamsAre(() => new Response(null, { status: 204 }));
  const collected = collect(operation);
  await clock.advance(120_000);
  assert.equal(server.streams.length, 2);
  assert.equal(clock.pending, 0);
  assert.equal(client.connection.snapshot.state, "idle");
  assert.ok(collected.isOver);

  const other = await live();
  other.journal.succeed(1);
  await other.clock.advance(120_000);
  assert.equal(other.server.streams.length, 1);
  assert.equal(other.clock.pending, 0);
  assert.equal(other.client.connection.snapshot.state, "idle");
  assert.equal(other.server.open.size, 0);
});

test("bye: complete without a terminal event that we have seen is an end all the same", async () => {
  const { clock, server } = await live();
  server.drain({ type: "bye", reason: "complete", reconnect: false });
  await clock.advance(60_000);
  assert.equal(server.streams.length, 1);
  assert.equal(clock.pending, 0);
});

test("401: a fresh token is asked for once, and goes on", async () => {
  let asked = 0;
  const { clock, server, client, journal, operation } = await live({
    token: async () => `secret-${++asked}`,
  });
  let valid = 2;
  server.gate = ({ headers }) =>
    headers.get("authorization") === `Bearer secret-${valid}`
      ? undefined
      : problem(401, "unauthorized", "log in");
  for (const expected of [2, 3]) {
    valid = expected; // it has expired
    server.cut();
    journal.log("while it was away");
    await clock.advance(6_000);
    assert.equal(asked, expected);
    assert.equal(client.connection.snapshot.state, "live");
    assert.equal(operation.logs.length, expected - 1);
  }
});

test("401 with a fresh token, too: stopped, and told", async () => {
  let asked = 0;
  const { clock, server, client, operation } = await live({
    token: () => `secret-${++asked}`,
    transports: undefined,
  });
  const collected = collect(operation);
  const result = outcome(operation.result());
  server.gate = () => problem(401, "unauthorized", "log in");
  server.cut();
  await clock.advance(120_000);
  assert.equal(asked, 2);
  const { state, error } = client.connection.snapshot;
  assert.equal(state, "stopped");
  assert.equal(/** @type {any} */ (error).status, 401);
  assert.equal(operation.error, error);
  assert.equal(operation.snapshot?.state, "running", "what was known stays");
  assert.equal(collected.error, error);
  assert.equal(result.error, error);
  assert.equal(server.requests.length, 4, "the catch-up, the stream, and the two that were refused");
  assert.equal(clock.pending, 0);
});

test("403 on every transport: stopped; and what is watched next is tried", async () => {
  const { clock, server, client } = rig();
  server.add({ id: "a" });
  const operation = client.watch("a");
  await clock.advance(100);
  server.gate = ({ route }) => (/events/.test(route) ? problem(403, "forbidden", "not any more") : undefined);
  server.sockets = "refuse";
  server.cut();
  await clock.advance(60_000);
  assert.equal(client.connection.snapshot.state, "stopped");
  assert.equal(/** @type {any} */ (operation.error).status, 403);
  server.gate = () => undefined;
  const again = client.watch("a");
  await clock.advance(100);
  assert.ok(["live", "polling"].includes(client.connection.snapshot.state));
  assert.equal(again.snapshot?.state, "running");
});

test("the server drains: it is told, and come back to", async () => {
  const { clock, server, client, journal, operation } = await live();
  server.drain();
  await clock.advance(0);
  assert.equal(client.connection.snapshot.state, "waiting");
  journal.log("one");
  await clock.advance(6_000);
  assert.equal(operation.logs.length, 1);
  assert.equal(client.connection.snapshot.state, "live");
});

test("busy: 200, and a bye, and no loop without a pause", async () => {
  const { clock, server } = await live({ random: () => 0.5 });
  const text = `retry: 4000\n\nevent: bye\ndata: {"type":"bye","reason":"busy","reconnect":true}\n\n`;
  server.gate = streamsAre(() => new Response(text, { headers: { "Content-Type": "text/event-stream" } }));
  server.cut();
  await clock.advance(60_000);
  assert.ok(server.streams.length > 10 && server.streams.length < 40, `${server.streams.length}`);
});

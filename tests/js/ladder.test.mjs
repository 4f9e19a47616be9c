// @ts-check
/** The three transports: what is tried when, and that no event is lost or doubled between them. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { collect, only, rig } from "./support/rig.mjs";
import { seeded } from "./support/random.mjs";
import { problem } from "./support/streams.mjs";

const SSE = { "Content-Type": "text/event-stream" };

/** Streams that do not end are answered so; what ends comes through. @param {() => any} answer */
const streamsAre = (answer) => (/** @type {any} */ { route, headers }) =>
  /events$/.test(route) && !headers.has("prefer") ? answer() : undefined;

/** @type {Record<string, () => any>} */
const REFUSALS = {
  404: () => problem(404, "not-found", "no such page"),
  405: () => new Response("", { status: 405 }),
  406: () => new Response("not that type", { status: 406 }),
  "a page": () => new Response("<h1>Welcome to the hotel</h1>", { headers: { "Content-Type": "text/html" } }),
  "no type": () => new Response(new ReadableStream({}), { headers: {} }),
};

/** @type {Record<string, () => any>} */
const SILENCES = {
  "nothing at all": () => "hang",
  "headers, and then nothing": () => new Response(new ReadableStream({}), { headers: SSE }),
};

/** Routes of the streams and polls, without the catch-up. @param {any} server */
const tried = (server) => server.requests.slice(1).map((/** @type {any} */ { route, headers }) => (headers.has("prefer") ? "poll" : route));

test("SSE, if nothing speaks against it", async () => {
  const { clock, server, client } = rig();
  server.add();
  client.watchAll();
  await clock.advance(60_000);
  const { state, transport, error, retryAt } = client.connection.snapshot;
  assert.deepEqual({ state, transport, error, retryAt }, { state: "live", transport: "sse", error: null, retryAt: null });
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
  server.gate = streamsAre(() => new Response(new ReadableStream({ start: (it) => void (controller = it) }), { headers: SSE }));
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

/** What is subscribed to. @param {any} server */
const socketCalls = (server) => [...server.open].filter(({ wire }) => wire === "ws").flatMap(({ calls }) => calls);

test("WebSocket: a subscription for each that is watched, from the cursor", async () => {
  const { clock, server, client } = rig({ transports: ["ws"] });
  server.add({ id: "a" });
  client.watch("a");
  client.watchAll({ kind: ["copy", "import"], label: "owner:ada" });
  await clock.advance(100);
  const calls = socketCalls(server);
  assert.equal(calls.length, 2);
  for (const { jsonrpc, method, id, params } of calls) {
    assert.deepEqual([jsonrpc, method, params.after], ["2.0", "subscribe", server.head]);
    assert.ok(id !== undefined);
  }
  assert.notEqual(calls[0].id, calls[1].id);
  const [one, many] = calls.map(({ params }) => params);
  assert.equal(one.operation, "a");
  assert.deepEqual([many.kind, many.label, many.types], [["copy", "import"], ["owner:ada"], ["progress"]]);
  assert.ok(server.streams.every(({ route }) => route === "GET ws"));
});

test("WebSocket: one that is not there does not disturb the others", async () => {
  const { clock, server, client } = rig({ transports: ["ws"] });
  const journal = server.add({ id: "a" });
  const forgotten = server.add({ id: "b" });
  const [a, b] = [client.watch("a"), client.watch("b")];
  await clock.advance(100);
  server.journals.delete("b");
  server.cut();
  journal.log("while it was away");
  await clock.advance(10_000);
  assert.equal(b.snapshot?.state, "lost");
  assert.equal(b.snapshot?.created_at, forgotten.snapshot.created_at);
  assert.equal(a.logs.length, 1);
  journal.succeed();
  await clock.advance(100);
  assert.deepEqual(a.snapshot, journal.snapshot);
  assert.equal(clock.pending, 0);
});

test("WebSocket: another history makes forget what is not there, and only after all are caught up", async () => {
  const { clock, server, client } = rig({ transports: ["ws"] });
  for (const id of ["a", "b", "c"]) server.add({ id });
  const operations = ["a", "b", "c"].map((id) => client.watch(id));
  await clock.advance(100);
  server.restart();
  for (const id of ["b", "c"]) server.add({ id });
  await clock.advance(10_000);
  assert.deepEqual(operations.map(({ snapshot }) => snapshot?.state), ["lost", "running", "running"]);
  for (const id of ["b", "c"]) server.journals.get(id)?.succeed();
  await clock.advance(100);
  assert.deepEqual(operations.slice(1).map(({ snapshot }) => snapshot), ["b", "c"].map((id) => server.journals.get(id)?.snapshot));
});

test("WebSocket: one that ended before it was subscribed to is over", async () => {
  const { clock, server, client } = rig({ transports: ["ws"] });
  const journal = server.add({ id: "a" });
  const operation = client.watch("a");
  await clock.advance(100);
  server.cut();
  journal.log("one");
  journal.succeed(1);
  await clock.advance(20_000);
  assert.deepEqual(operation.snapshot, journal.snapshot);
  assert.equal(operation.logs.length, 1);
  assert.equal(await operation.result(), 1);
  assert.equal(server.open.size, 0);
  assert.equal(clock.pending, 0);
});

test("WebSocket: each is caught up by itself, and what the one brings does not cover up what the other brings", async () => {
  const { clock, server, client } = rig({ transports: ["ws"] });
  const journal = server.add({ id: "a" });
  const list = client.watchAll();
  const collected = [collect(list)];
  await clock.advance(100);
  const operation = client.watch("a");
  collected.push(collect(operation));
  await clock.advance(100);
  server.cut();
  // The list knows the states alone: it is at the last one before the lines have come.
  journal.log("one");
  journal.state("cancelling");
  journal.log("two");
  await clock.advance(10_000);
  assert.deepEqual(operation.logs, only(journal.past, "log"));
  server.cut();
  journal.log("three");
  journal.output(1);
  journal.state("cancelled");
  await clock.advance(10_000);
  agree(operation, collected[1], journal);
  assert.deepEqual(only(collected[0].messages, "state"), only(journal.past, "state").slice(2));
});

test("WebSocket: what breaks off before all are caught up is asked for from where it began", async () => {
  const { clock, server, client } = rig({ transports: ["ws"] });
  const journals = ["a", "b", "c"].map((id) => server.add({ id }));
  const operations = journals.map(({ id }) => client.watch(id));
  await clock.advance(100);
  const after = server.head;
  server.cut();
  for (const journal of [...journals].reverse()) journal.log("while it was away"); // the first has the newest
  let answers = 0;
  /** @type {any[]} */
  const asked = [];
  server.answerCall = (call) => {
    asked.push(call.params?.after);
    if (++answers === 3) server.cut();
    return undefined;
  };
  await clock.advance(20_000);
  assert.equal(answers, 6);
  assert.equal(new Set(asked).size, 1);
  assert.equal(asked[0], after);
  for (const operation of operations) assert.equal(operation.logs.length, 1);
  journals[1].log("live");
  await clock.advance(100);
  asked.length = 0;
  server.cut();
  await clock.advance(10_000);
  assert.deepEqual(asked, Array(3).fill(server.head), "afterwards from the newest that came");
});

test("WebSocket: what is no JSON ends the connection, not the following", async () => {
  const { clock, server, client } = rig({ transports: ["ws"] });
  const journal = server.add({ id: "a" });
  const operation = client.watch("a");
  await clock.advance(100);
  const [socket] = /** @type {any[]} */ ([...server.open]);
  socket.onmessage({ data: "<html>" });
  journal.log("one");
  await clock.advance(10_000);
  assert.equal(operation.logs.length, 1);
  assert.equal(server.streams.length, 2);
});

/** What they have seen equals what the server knows. @param {any} operation @param {any} collected @param {any} journal */
function agree(operation, collected, journal) {
  const lossless = collected.messages.filter((/** @type {any} */ { type }) => ["state", "log", "output"].includes(type));
  assert.deepEqual(lossless, journal.past, "every lossless event once, in order");
  assert.deepEqual(operation.snapshot, journal.snapshot);
  assert.deepEqual(operation.logs, only(journal.past, "log"));
  assert.deepEqual(operation.outputs, only(journal.past, "output"));
  assert.equal(operation.missed, 0);
  assert.ok(collected.isOver);
}

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
  test(`whatever happens to the network, the fold is the server's in the end, and no event is lost or doubled (${seed})`, async () => {
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
    const answers = [undefined, undefined, "fail", "hang", ...Object.values(SILENCES), ...Object.values(REFUSALS)];
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
        const made = typeof stream === "function" && stream !== REFUSALS[404] ? stream : () => (typeof stream === "string" ? stream : undefined);
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
    for (const [at, { operation, collected }] of followed.entries()) agree(operation, collected, journals[at]);
    const copies = journals.filter(({ snapshot }) => snapshot.kind === "copy").reverse();
    assert.deepEqual([...list.snapshot].reverse(), copies.map(({ snapshot }) => snapshot).reverse());
    client.close();
    await clock.advance(0);
    assert.equal(server.open.size, 0);
    assert.equal(clock.pending, 0);
  });
}

// @ts-check
/** Following one operation. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { OperationError } from "../../static/client/index.js";
import { collect, only, outcome, rig } from "./support/rig.mjs";
import { cutAfter, problem } from "./support/streams.mjs";

test("a catch-up from the beginning of what is kept, and then the stream from there", async () => {
  const { clock, server, client } = rig();
  const journal = server.add({ id: "a/b c" });
  journal.log("one");
  journal.output({ preview: 1 });
  const operation = client.watch("a/b c");
  assert.equal(operation.id, "a/b c");
  assert.equal(operation.snapshot, null);
  assert.equal(operation.fraction, null);
  await clock.advance(100);

  const [catchUp, stream, ...more] = server.requests;
  assert.deepEqual(more, []);
  assert.equal(catchUp.route, "GET operations/a%2Fb%20c/events");
  assert.equal(catchUp.headers.get("prefer"), "wait=0");
  assert.equal(catchUp.headers.get("last-event-id") ?? catchUp.query.get("after"), "0-0");
  assert.equal(stream.route, catchUp.route);
  assert.equal(stream.headers.get("prefer"), null);
  assert.equal(stream.headers.get("last-event-id"), server.head);
  assert.deepEqual(operation.snapshot, journal.snapshot);

  journal.log("two");
  journal.progress(0.25, { id: "scan", fraction: 0.25 });
  await clock.advance(100);
  assert.deepEqual(operation.snapshot, journal.snapshot);
  assert.equal(operation.fraction, 0.25);
  assert.deepEqual(operation.logs.map(({ message }) => message), ["one", "two"]);
  assert.deepEqual(operation.outputs.map(({ data }) => data), [{ preview: 1 }]);
  assert.equal(operation.missed, 0);
  assert.equal(operation.error, null);
});

test("one that has ended: all that is kept of it, in one request, and no more", async () => {
  const { clock, server, client } = rig();
  const journal = server.add({ id: "a" });
  journal.log("one");
  journal.progress(0.5);
  journal.output(2);
  journal.succeed({ files: 5 });
  const operation = client.watch("a");
  const collected = collect(operation);
  const result = outcome(operation.result());
  await clock.advance(60_000);
  assert.deepEqual(operation.snapshot, journal.snapshot);
  assert.equal(operation.fraction, 1);
  assert.deepEqual(operation.logs.map(({ message }) => message), ["one"]);
  assert.deepEqual(operation.outputs.map(({ data }) => data), [2]);
  assert.deepEqual(result.value, { files: 5 });
  assert.deepEqual(collected.messages.filter(({ type }) => type !== "snapshot"), journal.past);
  assert.ok(collected.isOver);
  assert.equal(server.requests.length, 1);
  assert.equal(clock.pending, 0);
  assert.equal(client.connection.snapshot.state, "idle");
});

test("one that has ended, and of whose past nothing is kept", async () => {
  for (const transports of /** @type {const} */ ([["sse"], ["ws"], ["poll"]])) {
    const { clock, server, client } = rig({ transports });
    const journal = server.add({ id: "a" });
    journal.succeed(1);
    journal.trim(0);
    const operation = client.watch("a");
    await clock.advance(60_000);
    assert.equal(await operation.result(), 1);
    assert.equal(server.requests.length, 1);
    assert.equal(clock.pending, 0);
  }
});

test("one that ends between the catch-up and the stream", async () => {
  const { clock, server, client } = rig();
  const journal = server.add({ id: "a" });
  server.gate = ({ headers }) => void (headers.has("prefer") || journal.ended || journal.succeed(1));
  const operation = client.watch("a");
  await clock.advance(60_000);
  assert.deepEqual(operation.snapshot, journal.snapshot);
  assert.equal(server.requests.length, 2);
  assert.equal(clock.pending, 0);
});

/** @type {[string, number, "broken" | "ended"][]} */
const CUTS = [
  ["breaks off before anything", 0, "broken"],
  ["breaks off after its gap", 1, "broken"],
  ["breaks off after its snapshot", 2, "broken"],
  ["breaks off after a line", 3, "broken"],
  ["ends before anything", 0, "ended"],
  ["ends after its snapshot", 2, "ended"],
  ["ends after a line", 3, "ended"],
];

for (const [what, length, how] of CUTS) {
  test(`a catch-up that ${what} is made again, with nothing missing, twice, or counted twice`, async () => {
    const { clock, server, client } = rig();
    const journal = server.add({ id: "a" });
    for (const message of ["1", "2", "3", "4"]) journal.log(message);
    journal.succeed();
    journal.trim(3); // queued, running, and two log lines are gone
    const missed = { state: 2, log: 2, output: 0 };
    const [line] = journal.past;
    const text = [
      `id: 0-0\nevent: gap\ndata: ${JSON.stringify({ type: "gap", operation: "a", reason: "trimmed", missed })}\n\n`,
      `event: snapshot\ndata: ${JSON.stringify({ type: "snapshot", operation: "a", snapshot: journal.snapshot })}\n\n`,
      `id: ${line.cursor}\nevent: log\ndata: ${JSON.stringify(line)}\n\n`,
    ];
    const answers = [cutAfter(`${text.slice(0, length).join("")}id: 1`, how), "fail", undefined];
    server.gate = () => /** @type {any} */ (answers.shift());
    const operation = client.watch("a");
    await clock.advance(20_000);
    assert.deepEqual(operation.logs.map(({ message }) => message), ["3", "4"]);
    assert.deepEqual(operation.snapshot, journal.snapshot);
    assert.equal(server.requests.length, 3);
    assert.equal(operation.missed, 2);
  });
}

test("what is not there is told once, and the iteration and the result fail with it", async () => {
  const { clock, server, client } = rig();
  const operation = client.watch("nobody");
  const collected = collect(operation);
  const result = outcome(operation.result());
  let calls = 0;
  operation.subscribe(() => calls++);
  await clock.advance(60_000);
  assert.equal(/** @type {any} */ (operation.error).status, 404);
  assert.equal(operation.snapshot, null);
  assert.equal(collected.error, operation.error);
  assert.equal(result.error, operation.error);
  assert.equal(server.requests.length, 1);
  assert.equal(calls, 1);
  assert.equal(clock.pending, 0);
});

test("403 is told, too", async () => {
  const { clock, server, client } = rig();
  server.add({ id: "a" });
  server.gate = () => problem(403, "forbidden", "not yours");
  const operation = client.watch("a");
  await clock.advance(60_000);
  assert.equal(/** @type {any} */ (operation.error).status, 403);
  assert.equal(clock.pending, 0);
});

test("an iteration yields what comes from then on, in order, and ends with the operation", async () => {
  const { clock, server, client } = rig();
  const journal = server.add({ id: "a" });
  const operation = client.watch("a");
  await clock.advance(100);
  const first = collect(operation);
  journal.log("one");
  await clock.advance(10);
  const second = collect(operation);
  const sent = [journal.progress(0.5), journal.log("two"), journal.log("three"), journal.output(1), journal.succeed()];
  await clock.advance(10);
  assert.deepEqual(second.messages, sent);
  assert.deepEqual(first.messages.slice(1), sent);
  assert.ok(first.isOver && second.isOver);
  // Who comes later has nothing to wait for.
  const late = collect(operation);
  await clock.advance(0);
  assert.deepEqual(late.messages, []);
  assert.ok(late.isOver);
});

test("a loop that is left stops counting; the operation goes on", async () => {
  const { clock, server, client } = rig();
  const journal = server.add({ id: "a" });
  const operation = client.watch("a");
  await clock.advance(100);
  const left = outcome(
    (async () => {
      for await (const message of operation) return message;
    })(),
  );
  const logged = journal.log("one");
  await clock.advance(10);
  assert.deepEqual(left.value, logged);
  journal.succeed(7);
  await clock.advance(10);
  assert.equal(await operation.result(), 7);
});

test("an iterator that is returned while somebody waits for it lets them go", async () => {
  const { clock, server, client } = rig();
  server.add({ id: "a" });
  const operation = client.watch("a");
  await clock.advance(100);
  const iterator = operation[Symbol.asyncIterator]();
  const next = outcome(iterator.next());
  await clock.advance(10);
  await iterator.return?.();
  await clock.advance(10);
  assert.equal(next.isSettled, true);
  assert.equal(next.value?.done, true);
});

test("two that wait on one iterator each get something", async () => {
  const { clock, server, client } = rig();
  const journal = server.add({ id: "a" });
  const operation = client.watch("a");
  await clock.advance(100);
  const iterator = operation[Symbol.asyncIterator]();
  const both = [outcome(iterator.next()), outcome(iterator.next())];
  const sent = [journal.log("one"), journal.log("two")];
  await clock.advance(10);
  assert.deepEqual(both.map(({ value }) => value?.value), sent);
});

test("a slow consumer: of progress the present, and a gap with counts for what is too much", async () => {
  const { clock, server, client } = rig();
  const journal = server.add({ id: "a" });
  const operation = client.watch("a");
  await clock.advance(100);
  const iterator = operation[Symbol.asyncIterator]();
  const next = async () => (await iterator.next()).value;
  for (let n = 1; n <= 500; n++) {
    journal.progress(n / 1_000);
    journal.progress(n / 1_000, { id: "scan", completed: n });
    journal.progress(n / 1_000, { id: "copy", completed: n });
  }
  journal.log("the only one");
  await clock.advance(100);
  const few = [await next(), await next(), await next(), await next()];
  assert.deepEqual(few.map(({ type }) => type).sort(), ["log", "progress", "progress", "progress"]);
  for (const message of only(few, "progress")) assert.equal(message.progress.fraction, 0.5);
  assert.deepEqual(only(few, "progress").map(({ step }) => step?.completed).sort(), [500, 500, undefined]);

  for (let n = 0; n < 3_000; n++) journal.log(`line ${n}`);
  for (let n = 0; n < 10; n++) journal.output(n);
  journal.progress(0.75);
  journal.succeed(1);
  await clock.advance(100);
  const rest = [];
  for (let result; !(result = await iterator.next()).done; ) rest.push(result.value);
  assert.equal(rest[0].type, "gap");
  const { missed } = rest[0];
  assert.equal(only(rest, "gap").length, 1);
  assert.ok(rest.length < 2_000, "it is bounded");
  assert.equal(only(rest, "log").length + missed.log, 3_000, "what is missing is counted");
  assert.equal(only(rest, "output").length + missed.output, 10);
  assert.equal(only(rest, "log").at(-1).message, "line 2999", "the newest are kept");
  assert.equal(rest.at(-1).state, "succeeded");
  assert.equal(operation.logs.length, 3_001, "the operation itself has them");
});

test("who does not read costs no more than a bound, but is told how it ended", async () => {
  const { clock, server, client } = rig();
  const journal = server.add({ id: "a" });
  const operation = client.watch("a");
  await clock.advance(100);
  const iterator = operation[Symbol.asyncIterator]();
  for (let n = 0; n < 5_000; n++) {
    journal.log("x");
    journal.progress(n / 5_000);
  }
  await clock.advance(100);
  journal.state("failed", { error: { type: "about:blank", title: "no", detail: "no" } });
  await clock.advance(100);
  const rest = [];
  for (let result; !(result = await iterator.next()).done; ) rest.push(result.value);
  assert.ok(rest.length < 2_000);
  assert.equal(only(rest, "progress").length, 1);
  assert.equal(rest.at(-1).state, "failed");
});

test("log lines are kept up to a bound, the newest", async () => {
  const { clock, server, client } = rig();
  const journal = server.add({ id: "a" });
  const operation = client.watch("a");
  await clock.advance(100);
  for (let n = 0; n < 10_050; n++) journal.log(`${n}`);
  const { logs } = operation;
  await clock.advance(100);
  assert.notEqual(operation.logs, logs, "replaced, not changed");
  assert.equal(logs.length, 0);
  assert.equal(operation.logs.length, 10_000);
  assert.equal(operation.logs[0].message, "50");
  assert.equal(operation.logs.at(-1)?.message, "10049");
});

for (const state of ["failed", "cancelled", "lost"]) {
  test(`result: ${state} is an OperationError`, async () => {
    const { clock, server, client } = rig();
    const journal = server.add({ id: "a" });
    const operation = client.watch("a");
    const before = outcome(operation.result());
    await clock.advance(100);
    assert.equal(before.isSettled, false);
    const error = { type: "urn:progress:problem:exception", title: "ValueError", detail: "what is wrong" };
    journal.state(state, state === "failed" ? { error } : {});
    await clock.advance(100);
    assert.ok(before.error instanceof OperationError);
    assert.ok(before.error instanceof Error);
    assert.equal(before.error.snapshot, operation.snapshot);
    assert.equal(before.error.snapshot.state, state);
    assert.match(before.error.message, state === "failed" ? /what is wrong/ : new RegExp(state));
    await assert.rejects(operation.result(), OperationError);
  });
}

test("result: null is one", async () => {
  const { clock, server, client } = rig();
  const journal = server.add({ id: "a" });
  const operation = client.watch("a");
  const result = outcome(operation.result());
  await clock.advance(100);
  journal.succeed(null);
  await clock.advance(100);
  assert.deepEqual(result, { isSettled: true, value: null });
});

test("result of what is followed no more is an AbortError, and a signal or close ends everything", async () => {
  const { clock, server, client } = rig();
  server.add({ id: "a" });
  server.add({ id: "b" });
  const leaving = new AbortController();
  const [a, b] = [client.watch("a", { signal: leaving.signal }), client.watch("b")];
  const results = [outcome(a.result()), outcome(b.result())];
  const iterations = [collect(a), collect(b)];
  await clock.advance(100);
  assert.ok(server.open.size);
  leaving.abort();
  await clock.advance(100);
  assert.equal(results[0].error.name, "AbortError");
  assert.ok(iterations[0].isOver);
  assert.ok(!iterations[1].isOver);
  b.close();
  b.close();
  await clock.advance(100);
  assert.equal(results[1].error.name, "AbortError");
  assert.ok(iterations[1].isOver);
  assert.equal(iterations[1].error, null);
  assert.equal(server.open.size, 0, "the connection is closed");
  assert.equal(clock.pending, 0);
  assert.equal(client.connection.snapshot.state, "idle");
  const requests = server.requests.length;
  await clock.advance(120_000);
  assert.equal(server.requests.length, requests);
});

test("a signal that is aborted already", async () => {
  const { clock, server, client } = rig();
  server.add({ id: "a" });
  const operation = client.watch("a", { signal: AbortSignal.abort() });
  const operations = client.watchAll({}, { signal: AbortSignal.abort() });
  const collected = [collect(operation), collect(operations)];
  await clock.advance(60_000);
  assert.ok(collected.every(({ isOver, error }) => isOver && !error));
  assert.equal(server.streams.length, 0);
  assert.equal(clock.pending, 0);
});

test("close of the client ends all, whatever state they are in", async () => {
  const { clock, server, client } = rig();
  server.add({ id: "a" });
  const live = client.watch("a");
  await clock.advance(100);
  server.gate = ({ route }) => (/\/b\//.test(route) ? "hang" : "fail");
  const [hanging, failing, all] = [client.watch("b"), client.watch("c"), client.watchAll()];
  const collected = [live, hanging, failing, all].map(collect);
  await clock.advance(1_000);
  client.close();
  await clock.advance(0);
  assert.ok(collected.every(({ isOver }) => isOver));
  assert.equal(server.open.size, 0);
  assert.equal(clock.pending, 0);
  assert.equal(client.connection.snapshot.state, "idle");
});

test("a client that was closed follows nothing any more", async () => {
  const { clock, server, client } = rig();
  server.add({ id: "a" });
  client.watch("a");
  await clock.advance(100);
  client.close();
  const requests = server.requests.length;
  const collected = [collect(client.watch("a")), collect(client.watchAll())];
  await clock.advance(60_000);
  assert.ok(collected.every(({ isOver }) => isOver));
  assert.equal(server.requests.length, requests);
  assert.equal(clock.pending, 0);
  client.close();
});

test("cancel", async () => {
  const { clock, server, client } = rig();
  const journal = server.add({ id: "a b" });
  const operation = client.watch("a b");
  await clock.advance(100);
  await operation.cancel();
  assert.equal(server.to("POST operations/a%20b/cancel").length, 1);
  await clock.advance(100);
  assert.equal(operation.snapshot?.state, "cancelling");
  journal.state("cancelled");
  await clock.advance(100);
  assert.equal(operation.snapshot?.state, "cancelled");
  await operation.cancel(); // 409: it has ended, which is as well
  server.gate = () => problem(403, "forbidden", "not yours");
  await assert.rejects(operation.cancel(), { name: "ProgressError", status: 403 });
});

test("subscribe: called at each change, until its undo, without `this`, as often as it was added", async () => {
  const { clock, server, client } = rig();
  const journal = server.add({ id: "a" });
  const operation = client.watch("a");
  await clock.advance(100);
  const { subscribe } = operation;
  /** @type {any[]} */
  const heard = [];
  let calls = 0;
  const count = () => void calls++;
  const undo = [subscribe((message) => heard.push(message)), subscribe(count), subscribe(count)];
  const logged = journal.log("one");
  await clock.advance(10);
  assert.deepEqual(heard, [logged]);
  assert.equal(calls, 2);
  undo[1]();
  undo[1](); // twice is once
  journal.progress(0.5);
  await clock.advance(10);
  assert.equal(calls, 3);
  undo[0]();
  undo[2]();
  journal.succeed();
  await clock.advance(10);
  assert.equal(heard.length, 2);
  assert.equal(calls, 3);
});

test("a callback that is removed by another is not missed by a third", async () => {
  const { clock, server, client } = rig();
  const journal = server.add({ id: "a" });
  const operation = client.watch("a");
  await clock.advance(100);
  let calls = 0;
  const undo = operation.subscribe(() => undo());
  operation.subscribe(() => calls++);
  journal.log("one");
  await clock.advance(10);
  assert.equal(calls, 1);
});

test("a callback that is added by another is called from the next message on", async () => {
  const { clock, server, client } = rig();
  const journal = server.add({ id: "a" });
  const operation = client.watch("a");
  await clock.advance(100);
  let calls = 0;
  operation.subscribe(() => calls++ < 100 && operation.subscribe(() => calls++));
  journal.log("one");
  await clock.advance(10);
  assert.equal(calls, 1);
  journal.log("two");
  await clock.advance(10);
  assert.equal(calls, 3);
});

test("snapshots keep their identity between changes: what useSyncExternalStore takes", async () => {
  const { clock, server, client } = rig();
  const journal = server.add({ id: "a" });
  const [operation, operations] = [client.watch("a"), client.watchAll()];
  await clock.advance(100);
  for (const store of [operation, operations, client.connection]) {
    const { snapshot } = store;
    let told = 0;
    store.subscribe(() => told++);
    const untold = () => assert.ok(told > 0 || store.snapshot === snapshot, "it changes only when it tells");
    assert.equal(store.snapshot, snapshot);
    server.beat();
    await clock.advance(10);
    untold();
  }
  const before = operation.snapshot;
  const frozen = structuredClone(before);
  journal.progress(0.5, { id: "scan" });
  await clock.advance(100);
  assert.notEqual(operation.snapshot, before);
  assert.deepEqual(before, frozen, "replaced, not changed");
  assert.equal(operations.snapshot[0]?.progress.fraction, 0.5);
});

test("shown progress: it waits where a total has grown, stays unknown where it is, and is 1 only at the end", async () => {
  const { clock, server, client } = rig();
  const journal = server.add({ id: "a" });
  const operation = client.watch("a");
  await clock.advance(100);
  const shown = [];
  for (const fraction of [0.2, 0.6, 0.3, null, 0.4, 0.7, 1]) {
    journal.progress(fraction);
    await clock.advance(10);
    shown.push(operation.fraction);
  }
  assert.deepEqual(shown.slice(0, 6), [0.2, 0.6, 0.6, null, 0.6, 0.7]);
  assert.ok(Number(shown[6]) > 0.9 && Number(shown[6]) < 1);
  journal.succeed();
  await clock.advance(10);
  assert.equal(operation.fraction, 1);
});

test("trimmed: what is missing is counted, and told", async () => {
  const { clock, server, client } = rig();
  const journal = server.add({ id: "a" });
  for (let n = 0; n < 50; n++) journal.log(`${n}`);
  journal.output(1);
  journal.trim(11);
  const operation = client.watch("a");
  const collected = collect(operation);
  await clock.advance(100);
  assert.equal(operation.missed, 40);
  assert.equal(operation.logs.length, 10);
  assert.equal(operation.outputs.length, 1);
  assert.deepEqual(only(collected.messages, "gap")[0].missed, { state: 2, log: 40, output: 0 });
});

test("several: one connection for all of them, and no event lost or doubled while they come and go", async () => {
  const { clock, server, client } = rig();
  const journals = ["a", "b", "c"].map((id) => server.add({ id }));
  const operations = [];
  for (const { id } of journals) {
    operations.push(client.watch(id));
    for (const journal of journals) journal.log(`while ${id} comes`);
    await clock.advance(50);
    assert.equal(server.open.size, 1);
    for (const journal of journals) journal.log(`after ${id}`);
    await clock.advance(50);
  }
  const [, query] = [server.streams.at(-1), server.streams.at(-1)?.query];
  assert.deepEqual(query?.getAll("operation").sort(), ["a", "b", "c"]);
  operations[1].close();
  await clock.advance(100);
  for (const journal of journals) journal.log("at the end");
  journals[0].succeed(1);
  await clock.advance(100);
  assert.deepEqual(operations[0].snapshot, journals[0].snapshot);
  for (const at of [0, 2]) assert.deepEqual(operations[at].logs, only(journals[at].past, "log"));
  assert.equal(operations[1].logs.length, 6);
  assert.equal(server.open.size, 1);
  journals[2].succeed();
  await clock.advance(100);
  assert.equal(server.open.size, 0);
  assert.equal(clock.pending, 0);
});

test("very many that come one after the other do not each make a connection", async () => {
  const { clock, server, client } = rig();
  const journals = Array.from({ length: 15 }, () => server.add());
  const operations = [];
  for (const { id } of journals) {
    operations.push(client.watch(id));
    await clock.advance(1);
  }
  await clock.advance(100);
  assert.ok(server.streams.length <= 3, `${server.streams.length}`);
  for (const journal of journals) journal.log("one");
  await clock.advance(100);
  assert.ok(operations.every(({ logs }) => logs.length === 1));
});

test("the same one twice", async () => {
  const { clock, server, client } = rig();
  const journal = server.add({ id: "a" });
  const [one, two] = [client.watch("a"), client.watch("a")];
  await clock.advance(100);
  journal.log("x");
  await clock.advance(100);
  assert.deepEqual([one.logs.length, two.logs.length], [1, 1]);
  one.close();
  journal.log("y");
  await clock.advance(100);
  assert.deepEqual([one.logs.length, two.logs.length], [1, 2]);
  assert.equal(server.open.size, 1);
});

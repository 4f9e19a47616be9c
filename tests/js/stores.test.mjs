// @ts-check
/** What an operation says of itself: its snapshot, its subscribers, its result. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { OperationError } from "../../static/client/index.js";
import { collect, outcome, rig } from "./support/rig.mjs";
import { problem } from "./support/streams.mjs";

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

test("what is followed no more: its result is an AbortError, and everything ends", async () => {
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

test("subscribe: called at each change, until its undo, without `this`", async () => {
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

test("shown progress: it never falls, is unknown where it is, and 1 only at the end", async () => {
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

// @ts-check
/** Iterating over what comes, also by who is slow. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { collect, only, outcome, rig } from "./support/rig.mjs";

test("an iteration yields what comes from then on, in order, and ends with the operation", async () => {
  const { clock, server, client } = rig();
  const journal = server.add({ id: "a" });
  const operation = client.watch("a");
  await clock.advance(100);
  const first = collect(operation);
  journal.log("one");
  await clock.advance(10);
  const second = collect(operation);
  const sent = [
    journal.progress(0.5),
    journal.log("two"),
    journal.log("three"),
    journal.output(1),
    journal.succeed(),
  ];
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
  assert.deepEqual(
    both.map(({ value }) => value?.value),
    sent,
  );
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
  assert.deepEqual(
    only(few, "progress")
      .map(({ step }) => step?.completed)
      .sort(),
    [500, 500, undefined],
  );

  for (let n = 0; n < 3_000; n++) journal.log(`line ${n}`);
  for (let n = 0; n < 10; n++) journal.output(n);
  journal.progress(0.75);
  journal.succeed(1);
  await clock.advance(100);
  const rest = [];
  for (let result; !(result = await iterator.next()).done;) rest.push(result.value);
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
  for (let result; !(result = await iterator.next()).done;) rest.push(result.value);
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

// @ts-check
/** Following operations, each by its id: the catch-up, the stream, and the end. */

import assert from "node:assert/strict";
import { test } from "node:test";

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
  assert.deepEqual(
    operation.logs.map(({ message }) => message),
    ["one", "two"],
  );
  assert.deepEqual(
    operation.outputs.map(({ data }) => data),
    [{ preview: 1 }],
  );
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
  assert.deepEqual(
    operation.logs.map(({ message }) => message),
    ["one"],
  );
  assert.deepEqual(
    operation.outputs.map(({ data }) => data),
    [2],
  );
  assert.deepEqual(result.value, { files: 5 });
  assert.deepEqual(
    collected.messages.filter(({ type }) => type !== "snapshot"),
    journal.past,
  );
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
    const gap = { type: "gap", operation: "a", reason: "trimmed", missed };
    const snapshot = { type: "snapshot", operation: "a", snapshot: journal.snapshot };
    const [line] = journal.past;
    const text = [
      `id: 0-0\nevent: gap\ndata: ${JSON.stringify(gap)}\n\n`,
      `event: snapshot\ndata: ${JSON.stringify(snapshot)}\n\n`,
      `id: ${line.cursor}\nevent: log\ndata: ${JSON.stringify(line)}\n\n`,
    ];
    const answers = [cutAfter(`${text.slice(0, length).join("")}id: 1`, how), "fail", undefined];
    server.gate = () => /** @type {any} */ (answers.shift());
    const operation = client.watch("a");
    await clock.advance(20_000);
    assert.deepEqual(
      operation.logs.map(({ message }) => message),
      ["3", "4"],
    );
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

test("trimmed again while it was away: that is missing, too", async () => {
  const { clock, server, client } = rig({ transports: ["sse"] });
  const journal = server.add({ id: "a" });
  for (let n = 0; n < 5; n++) journal.log(`${n}`);
  journal.trim(2);
  const operation = client.watch("a");
  await clock.advance(100);
  assert.equal(operation.missed, 3);
  server.cut();
  for (let n = 0; n < 10; n++) journal.log(`later ${n}`);
  journal.trim(4);
  await clock.advance(6_000);
  assert.equal(operation.missed, 3 + 6);
  assert.equal(operation.logs.length, 2 + 4);
  assert.deepEqual(operation.snapshot, journal.snapshot);
});

test("several: one connection, and no event lost or doubled while they come and go", async () => {
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

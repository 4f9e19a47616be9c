// @ts-check
/** The WebSocket: subscriptions that are caught up each by itself. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { agree } from "./support/refusals.mjs";
import { collect, only, rig } from "./support/rig.mjs";

/** What is subscribed to. @param {any} server */
const socketCalls = (server) =>
  [...server.open].filter(({ wire }) => wire === "ws").flatMap(({ calls }) => calls);

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

test("WebSocket: another history makes forget, and only after all are caught up", async () => {
  const { clock, server, client } = rig({ transports: ["ws"] });
  for (const id of ["a", "b", "c"]) server.add({ id });
  const operations = ["a", "b", "c"].map((id) => client.watch(id));
  await clock.advance(100);
  server.restart();
  for (const id of ["b", "c"]) server.add({ id });
  await clock.advance(10_000);
  assert.deepEqual(
    operations.map(({ snapshot }) => snapshot?.state),
    ["lost", "running", "running"],
  );
  for (const id of ["b", "c"]) server.journals.get(id)?.succeed();
  await clock.advance(100);
  assert.deepEqual(
    operations.slice(1).map(({ snapshot }) => snapshot),
    ["b", "c"].map((id) => server.journals.get(id)?.snapshot),
  );
});

test("WebSocket: the bookmark of a catch-up makes forget, without waiting for a next one", async () => {
  const { clock, server, client } = rig({ transports: ["ws"] });
  server.add({ id: "a" });
  const all = client.watchAll();
  await clock.advance(100);
  server.restart();
  server.add({ id: "b" });
  await clock.advance(6_000);
  assert.deepEqual(
    all.snapshot.map(({ id, state }) => [id, state]),
    [
      ["b", "running"],
      ["a", "lost"],
    ],
  );
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

test("WebSocket: each is caught up by itself, and none covers up what another brings", async () => {
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

test("where no event stream gets through, not even for the catch-up, a WebSocket follows all the same", async () => {
  const refusals = [
    () => new Response("", { status: 406 }),
    () => new Response("<p>", { headers: { "Content-Type": "text/html" } }),
  ];
  for (const refusal of refusals) {
    const { clock, server, client } = rig();
    const journal = server.add({ id: "a" });
    journal.log("one");
    server.gate = ({ route }) => (route.endsWith("events") ? refusal() : undefined);
    const operation = client.watch("a");
    await clock.advance(10_000);
    assert.equal(operation.logs.length, 1);
    journal.succeed(1);
    await clock.advance(1_000);
    assert.equal(await operation.result(), 1);
  }
});

test("a subscription that is refused ends what it was for, and nothing else", async () => {
  const { clock, server, client } = rig({ transports: ["ws", "poll"] });
  const journal = server.add({ id: "a" });
  server.add({ id: "b" });
  const [theirs, mine] = [client.watch("b"), client.watch("a")];
  await clock.advance(100);
  server.answerCall = ({ params }) =>
    params.operation === "b"
      ? { code: -32000, message: "no", data: { type: "", title: "no", detail: "not yours", status: 403 } }
      : undefined;
  server.cut();
  journal.log("one");
  await clock.advance(20_000);
  assert.equal(theirs.error?.message, "not yours");
  assert.equal(mine.error, null);
  assert.equal(mine.logs.length, 1);
  assert.equal(client.connection.snapshot.transport, "ws");
});

// @ts-check
/** Following all operations that match. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { collect, only, rig } from "./support/rig.mjs";
import { problem } from "./support/streams.mjs";

/** @param {readonly any[]} snapshots */
const ids = (snapshots) => snapshots.map(({ id }) => id);

test("those there are, newest first, and those to come, from where the list was", async () => {
  const { clock, server, client } = rig();
  for (const id of ["1", "2", "3"]) server.add({ id });
  const operations = client.watchAll();
  assert.deepEqual([operations.snapshot, operations.loaded, operations.hasMore], [[], false, false]);
  server.gate = ({ headers }) =>
    void (headers.has("last-event-id") && server.journals.size < 4 && server.add({ id: "4" }));
  await clock.advance(100);
  assert.equal(operations.loaded, true);
  assert.deepEqual(ids(operations.snapshot), ["4", "3", "2", "1"], "and who came in between");
  const [listed, stream, ...more] = server.requests;
  assert.deepEqual([listed.route, stream.route, more.length], ["GET operations", "GET events", 0]);
  assert.equal(stream.headers.get("last-event-id"), `${server.epoch}-6`, "the list's cursor");

  const journal = server.add({ id: "5" });
  journal.progress(0.5);
  server.journals.get("1")?.succeed(7);
  await clock.advance(100);
  assert.deepEqual(ids(operations.snapshot), ["5", "4", "3", "2", "1"]);
  for (const snapshot of operations.snapshot)
    assert.deepEqual(snapshot, server.journals.get(snapshot.id)?.snapshot);
  assert.equal(operations.get("5"), operations.snapshot[0]);
  assert.equal(operations.get("nobody"), undefined);
  assert.equal(operations.fraction("5"), 0.5);
  assert.equal(operations.fraction("1"), 1);
  assert.equal(operations.fraction("nobody"), null);
  assert.equal("links" in operations.snapshot[4], false);
});

test("it does not end when all of them have", async () => {
  const { clock, server, client } = rig();
  const collected = collect(client.watchAll());
  await clock.advance(100);
  server.add({ id: "1" }).succeed();
  await clock.advance(100);
  server.add({ id: "2" }).succeed();
  await clock.advance(100);
  assert.deepEqual(
    only(collected.messages, "state").map(({ operation, state }) => `${operation} ${state}`),
    ["1 queued", "1 running", "1 succeeded", "2 queued", "2 running", "2 succeeded"],
  );
  assert.equal(collected.isOver, false);
  assert.equal(server.open.size, 1);
});

test("more: the next older ones, until there are none", async () => {
  const { clock, server, client } = rig();
  server.limit = 2;
  for (const id of ["1", "2", "3", "4", "5"]) server.add({ id, labels: { owner: "ada" } });
  const operations = client.watchAll({ label: "owner:ada" });
  await clock.advance(100);
  assert.deepEqual([ids(operations.snapshot), operations.hasMore], [["5", "4"], true]);
  server.journals.get("1")?.progress(0.1);
  await clock.advance(100);
  const streams = server.streams.length;
  const { snapshot } = operations;
  let told = 0;
  operations.subscribe(() => told++);
  await operations.more();
  assert.equal(told, 1);
  assert.notEqual(operations.snapshot, snapshot);
  assert.ok(["5", "4", "3", "2"].every((id) => operations.get(id)));
  assert.equal(operations.hasMore, true);
  await operations.more();
  assert.deepEqual([ids(operations.snapshot), operations.hasMore], [["5", "4", "3", "2", "1"], false]);
  const requests = server.requests.length;
  await operations.more();
  assert.equal(server.requests.length, requests);
  assert.deepEqual(
    server.to("GET operations").map(({ query }) => query.get("label")),
    Array(3).fill("owner:ada"),
  );
  assert.equal(server.streams.length, streams, "the stream is not disturbed");
  server.journals.get("2")?.succeed();
  await clock.advance(100);
  assert.equal(operations.get("2")?.state, "succeeded");
});

test("more that fails says so, and can be tried again", async () => {
  const { clock, server, client } = rig();
  server.limit = 1;
  for (const id of ["1", "2"]) server.add({ id });
  const operations = client.watchAll();
  await clock.advance(100);
  server.gate = () => problem(500, "oops", "oops");
  await assert.rejects(operations.more(), { status: 500 });
  server.gate = () => undefined;
  await operations.more();
  assert.deepEqual(ids(operations.snapshot), ["2", "1"]);
});

test("a page that is older than what is known does not take it back", async () => {
  const { clock, server, client } = rig();
  server.limit = 1;
  for (const id of ["1", "2"]) server.add({ id });
  const operations = client.watchAll();
  await clock.advance(100);
  const old = server.journals.get("1")?.linked;
  server.journals.get("1")?.succeed();
  await clock.advance(100);
  server.gate = ({ route }) =>
    route === "GET operations"
      ? Response.json({ operations: [old], next: null, cursor: old?.cursor })
      : undefined;
  await operations.more();
  assert.equal(operations.get("1")?.state, "succeeded");
});

test("filters: by the server what it can, and the state here, as it changes", async () => {
  const { clock, server, client } = rig();
  server.add({ id: "1", kind: "copy", labels: { owner: "ada", team: "x" } });
  server.add({ id: "2", kind: "copy", labels: { owner: "bob" } });
  server.add({ id: "3", kind: "import", labels: { owner: "ada" } });
  server.add({ id: "4", kind: "query", labels: { owner: "ada" } });
  const operations = client.watchAll({
    kind: ["copy", "import"],
    label: "owner:ada",
    state: ["running", "failed"],
  });
  await clock.advance(100);
  assert.deepEqual(ids(operations.snapshot), ["3", "1"]);
  const [going, listed, stream] = server.requests;
  assert.deepEqual(going.query.getAll("state"), ["queued", "running", "cancelling"]);
  assert.deepEqual([...listed.query].map(String).sort(), [
    "kind,copy",
    "kind,import",
    "label,owner:ada",
    "state,failed",
    "state,running",
  ]);
  assert.deepEqual(stream.query.getAll("kind").sort(), ["copy", "import"]);
  assert.deepEqual(stream.query.getAll("label"), ["owner:ada"]);
  server.journals.get("1")?.succeed();
  server.journals.get("3")?.state("failed", { error: { type: "about:blank", title: "no", detail: "no" } });
  server.add({ id: "5", kind: "copy", labels: { owner: "ada" } });
  server.add({ id: "6", kind: "copy", labels: { owner: "bob" } });
  await clock.advance(100);
  assert.deepEqual(ids(operations.snapshot), ["5", "3"]);
});

test("several lists and one operation on one connection, each with its own", async () => {
  const { clock, server, client } = rig();
  const all = [
    client.watchAll({ kind: "copy" }),
    client.watchAll({ kind: ["import", "query"] }),
    client.watchAll({ label: ["owner:ada", "note:a:b"] }),
  ];
  const collected = all.map(collect);
  await clock.advance(100);
  const made = [
    server.add({ id: "1", kind: "copy" }),
    server.add({ id: "2", kind: "import", labels: { owner: "ada", note: "a:b" } }),
    server.add({ id: "3", kind: "other", labels: { owner: "ada" } }),
    server.add({ id: "4", kind: "query" }),
  ];
  await clock.advance(100);
  const operation = client.watch("3");
  await clock.advance(100);
  for (const journal of made) {
    journal.log("only for who watches it alone");
    journal.progress(0.5);
    journal.succeed();
  }
  await clock.advance(100);
  assert.equal(server.open.size, 1);
  assert.deepEqual(
    all.map(({ snapshot }) => ids(snapshot)),
    [["1"], ["4", "2"], ["2"]],
  );
  for (const { snapshot } of all) for (const { state } of snapshot) assert.equal(state, "succeeded");
  assert.deepEqual(operation.snapshot, made[2].snapshot);
  assert.equal(operation.logs.length, 1);
  for (const { messages } of collected) assert.deepEqual(only(messages, "log"), []);
  const states = collected.map(({ messages }) => only(messages, "state").length);
  assert.deepEqual(states, [3, 6, 3]);
});

test("two lists whose labels differ", async () => {
  const { clock, server, client } = rig();
  const lists = ["ada", "bob"].map((owner) => client.watchAll({ kind: "copy", label: `owner:${owner}` }));
  await clock.advance(100);
  for (const owner of ["ada", "bob", "eve"]) server.add({ id: owner, labels: { owner } });
  await clock.advance(100);
  assert.deepEqual(
    lists.map(({ snapshot }) => ids(snapshot)),
    [["ada"], ["bob"]],
  );
});

test("a list that cannot be had", async () => {
  const { clock, server, client } = rig();
  server.gate = () => problem(403, "forbidden", "not yours");
  const operations = client.watchAll();
  const collected = collect(operations);
  await clock.advance(60_000);
  assert.equal(/** @type {any} */ (operations.error).status, 403);
  assert.equal(collected.error, operations.error);
  assert.equal(server.requests.length, 1);
  assert.equal(clock.pending, 0);
});

test("a list that cannot be had now is asked for again", async () => {
  const { clock, server, client } = rig();
  server.add({ id: "1" });
  const answers = ["fail", problem(503, "busy", "later", { "Retry-After": "2" })];
  server.gate = () => /** @type {any} */ (answers.shift());
  const operations = client.watchAll();
  await clock.advance(500);
  assert.equal(operations.loaded, false);
  assert.ok(["waiting", "connecting"].includes(client.connection.snapshot.state));
  await clock.advance(20_000);
  assert.deepEqual(ids(operations.snapshot), ["1"]);
  assert.equal(client.connection.snapshot.state, "live");
});

test("started while all are watched: it is in the list, and its own events come once", async () => {
  const { clock, server, client } = rig();
  const operations = client.watchAll();
  await clock.advance(100);
  const operation = await client.start("copy", {});
  await clock.advance(100);
  const collected = collect(operation);
  const journal = /** @type {any} */ (server.journals.get(operation.id));
  journal.log("one");
  journal.output(2);
  await clock.advance(100);
  assert.deepEqual(ids(operations.snapshot), [operation.id]);
  assert.deepEqual([operation.logs.length, operation.outputs.length], [1, 1]);
  assert.deepEqual(
    collected.messages.filter(({ type }) => type !== "snapshot"),
    journal.past.slice(-2),
  );
  assert.equal(server.open.size, 1);
});

test("filtered: states that came while it was away are told, in order", async () => {
  const { clock, server, client } = rig();
  server.add({ id: "1" });
  const operations = client.watchAll({ kind: "copy" });
  client.watchAll({ kind: "import" }); // so that who gets what is decided here
  const collected = collect(operations);
  await clock.advance(100);
  server.cut();
  const sent = [server.journals.get("1")?.state("cancelling"), server.journals.get("1")?.state("cancelled")];
  await clock.advance(20_000);
  assert.deepEqual(only(collected.messages, "state"), sent);
});

test("filtered: so are those of one that has begun meanwhile, and is introduced after them", async () => {
  const { clock, server, client } = rig();
  const operations = client.watchAll({ kind: "copy" });
  const collected = [operations, client.watchAll({ kind: "import" })].map(collect);
  await clock.advance(100);
  server.cut();
  const born = server.add({ id: "1" });
  const other = server.add({ id: "2", kind: "import" });
  other.succeed();
  born.succeed();
  await clock.advance(20_000);
  assert.deepEqual(only(collected[0].messages, "state"), born.past);
  assert.deepEqual(only(collected[1].messages, "state"), other.past);
});

test("nothing is kept for ever: of very many the oldest that have ended go", async () => {
  const { clock, server, client } = rig();
  const name = (/** @type {number} */ n) => String(n).padStart(6, "0");
  const running = server.add({ id: name(0) });
  for (let n = 1; n <= 20; n++) server.add({ id: name(n) }).succeed();
  const operations = client.watchAll();
  await clock.advance(100);
  for (let n = 21; n <= 5_009; n++) server.add({ id: name(n) }).succeed();
  await clock.advance(100);
  const missing = [];
  for (let n = 0; n <= 5_009; n++) if (!operations.get(name(n))) missing.push(n);
  assert.ok(missing.length > 5 && missing.length < 20, `${missing.length}`);
  assert.deepEqual(
    missing,
    missing.map((_, at) => at + 1),
    "the oldest",
  );
  assert.equal(operations.snapshot.length, 5_010 - missing.length);
  assert.equal(operations.snapshot[0].id, name(5_009));
  assert.ok(operations.get(running.id), "what still runs stays");
});

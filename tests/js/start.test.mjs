// @ts-check
/** Starting operations, what can be started, and the token. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ProgressClient, ProgressError } from "../../static/client/index.js";
import { collect, outcome, rig } from "./support/rig.mjs";
import { BASE } from "./support/server.mjs";
import { problem } from "./support/streams.mjs";

test("start: it is there at once, and is followed from where it was", async () => {
  const { clock, server, client } = rig();
  const operation = await client.start("copy", { source: "photos" }, { labels: { owner: "ada" } });
  assert.equal(operation.snapshot?.kind, "copy");
  assert.equal("links" in operation.snapshot, false, "they are not part of what is folded");
  const [asked] = server.to("POST operations");
  assert.deepEqual(asked.body, { kind: "copy", params: { source: "photos" }, labels: { owner: "ada" } });
  assert.equal(asked.headers.get("content-type"), "application/json");
  const { cursor } = operation.snapshot;
  const collected = collect(operation);

  await clock.advance(100);
  const [stream] = server.streams;
  assert.equal(stream.route, `GET operations/${operation.id}/events`);
  assert.equal(stream.headers.get("last-event-id"), cursor);
  assert.equal(stream.headers.get("accept"), "text/event-stream");

  const journal = server.journals.get(operation.id);
  journal?.log("half way");
  journal?.succeed({ files: 5 });
  await clock.advance(100);
  assert.deepEqual(operation.snapshot, journal?.snapshot);
  assert.ok(collected.isOver);
  assert.deepEqual(await operation.result(), { files: 5 });
});

test("start without parameters or labels", async () => {
  const { server, client } = rig();
  await client.start("copy");
  assert.deepEqual(server.to("POST operations")[0].body, { kind: "copy", params: {}, labels: {} });
});

test("a network that fails, and a server that cannot now: it is tried again, with the same key", async () => {
  const { clock, server, client } = rig();
  const answers = ["fail", problem(503, "busy", "later"), "fail"];
  server.gate = ({ route }) =>
    route === "POST operations" ? /** @type {any} */ (answers.shift()) : undefined;
  const started = outcome(client.start("copy", {}));
  await clock.advance(20_000);
  assert.ok(started.isSettled);
  const keys = server.to("POST operations").map(({ headers }) => headers.get("idempotency-key"));
  assert.equal(keys.length, 4);
  assert.equal(new Set(keys).size, 1);
  assert.match(String(keys[0]), /^"[\x21\x23-\x7e]{16,}"$/); // a quoted string, by its draft
  assert.equal(server.journals.size, 1);
});

test("what was started though the answer was lost is not started again", async () => {
  const { clock, server, client } = rig();
  const { fetch } = server;
  let isLost = false;
  const losing = new ProgressClient(BASE, {
    clock,
    random: () => 0.5,
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      if (init?.method !== "POST" || isLost) return response;
      isLost = true;
      throw new TypeError("fetch failed");
    },
  });
  const started = outcome(losing.start("copy", {}));
  await clock.advance(10_000);
  assert.equal(server.journals.size, 1);
  assert.equal(started.value.id, [...server.journals.keys()][0]);
  await Promise.all([client.start("copy", {}), client.start("copy", {})]);
  assert.equal(server.journals.size, 3, "each start has a key of its own");
});

test("Retry-After is waited for", async () => {
  const { clock, server, client } = rig({ random: () => 0 });
  server.gate = ({ at }) =>
    at < clock.now() + 1 && server.requests.length === 1
      ? problem(429, "busy", "later", { "Retry-After": "7" })
      : undefined;
  const started = outcome(client.start("copy", {}));
  await clock.advance(6_900);
  assert.equal(server.to("POST operations").length, 1);
  await clock.advance(200);
  assert.ok(started.value);
});

test("what is refused is told, and not tried again", async () => {
  const { clock, server, client } = rig();
  const errors = [{ pointer: "/params/source", detail: "is missing" }];
  const body = {
    type: "urn:progress:problem:invalid-params",
    title: "no",
    detail: "give it a source",
    errors,
  };
  server.gate = () =>
    Response.json(body, { status: 422, headers: { "Content-Type": "application/problem+json" } });
  const started = outcome(client.start("copy", {}));
  await clock.advance(60_000);
  const { error } = started;
  assert.ok(error instanceof ProgressError && error instanceof Error);
  assert.equal(error.status, 422);
  assert.equal(error.message, "give it a source");
  assert.deepEqual(error.problem.errors, errors);
  assert.equal(error.problem.type, "urn:progress:problem:invalid-params");
  assert.equal(error.retryAfter, null);
  assert.equal(server.requests.length, 1);
  assert.equal(clock.pending, 0);
});

test("an error that is no problem document is one all the same", async () => {
  const { clock, server, client } = rig();
  server.gate = () => new Response("<h1>Forbidden</h1>", { status: 403, statusText: "Forbidden" });
  const started = outcome(client.start("copy", {}));
  await clock.advance(1_000);
  assert.equal(started.error.status, 403);
  assert.match(started.error.message, /Forbidden/);
});

test("giving up: the signal ends the waiting", async () => {
  const { clock, server, client } = rig();
  server.gate = () => "fail";
  const giving = new AbortController();
  const started = outcome(client.start("copy", {}, { signal: giving.signal }));
  await clock.advance(3_000);
  const tries = server.requests.length;
  assert.ok(tries > 1);
  giving.abort();
  await clock.advance(60_000);
  assert.equal(started.error, giving.signal.reason);
  assert.equal(server.requests.length, tries);
  assert.equal(clock.pending, 0);
});

test("giving up a request that hangs", async () => {
  const { clock, server, client } = rig();
  server.gate = () => "hang";
  const giving = new AbortController();
  const started = outcome(client.start("copy", {}, { signal: giving.signal }));
  await clock.advance(1_000);
  giving.abort();
  await clock.advance(0);
  assert.equal(started.error, giving.signal.reason);
});

test("the signal does not stop what has been started", async () => {
  const { clock, server, client } = rig();
  const giving = new AbortController();
  const operation = await client.start("copy", {}, { signal: giving.signal });
  giving.abort();
  await clock.advance(1_000);
  server.journals.get(operation.id)?.succeed(7);
  await clock.advance(1_000);
  assert.equal(await operation.result(), 7);
});

test("started again with a key whose operation has ended meanwhile", async () => {
  const { clock, server, client } = rig();
  // The answer is the first one: it says `running` of what is long over.
  server.gate = ({ route }) =>
    void (route.endsWith("/events") && server.journals.forEach((one) => one.ended || one.succeed(3)));
  const operation = await client.start("copy", {});
  const result = outcome(operation.result());
  await clock.advance(5_000);
  assert.equal(result.value, 3);
  assert.equal(server.streams.length, 1);
});

test("kinds", async () => {
  const { client } = rig();
  assert.deepEqual(await client.kinds(), [{ kind: "copy", description: null, params: { type: "object" } }]);
});

test("works under any base, with or without a slash", async () => {
  const { clock, server } = rig();
  for (const base of [BASE, BASE.slice(0, -1), new URL(BASE)]) {
    await new ProgressClient(base, { clock, fetch: server.fetch }).kinds();
  }
  assert.equal(server.to("GET kinds").length, 3);
});

test("fetch gets no `this`", async () => {
  const { clock, server } = rig();
  /** @type {any} */
  const fetch = function (/** @type {any} */ ...given) {
    // @ts-ignore: a browser's fetch says "Illegal invocation" otherwise
    assert.ok(this === undefined || this === globalThis);
    return server.fetch(.../** @type {[any]} */ (given));
  };
  await new ProgressClient(BASE, { clock, fetch }).kinds();
});

test("the token is asked for once, and sent with everything", async () => {
  let asked = 0;
  const token = () => `secret-${++asked}`;
  const { clock, server, client } = rig({ token });
  await Promise.all([client.kinds(), client.start("copy"), client.kinds()]);
  client.watchAll();
  await clock.advance(1_000);
  assert.equal(asked, 1);
  assert.ok(server.requests.length >= 5);
  for (const { headers } of server.requests) assert.equal(headers.get("authorization"), "Bearer secret-1");
});

test("nothing comes out of a cache", async () => {
  const { clock, server, client } = rig();
  await client.start("copy");
  client.watchAll();
  await clock.advance(1_000);
  assert.ok(server.requests.every(({ cache }) => cache === "no-store"));
});

test("what happened before the answer to the start had come is not missing", async () => {
  const { clock, server, client } = rig();
  client.watchAll(); // so that the connection is already past it
  await clock.advance(100);
  /** @type {any} */
  let journal;
  server.gate = ({ route }) => {
    if (route !== "POST operations") return undefined;
    journal = server.add();
    const answer = new TextEncoder().encode(JSON.stringify(journal.linked));
    const start = (/** @type {any} */ body) =>
      void clock.setTimeout(() => (body.enqueue(answer), body.close()), 500);
    journal.log("early");
    journal.progress(0.5);
    return new Response(new ReadableStream({ start }), { status: 202 });
  };
  const started = outcome(client.start("copy"));
  await clock.advance(1_000);
  journal.log("late");
  await clock.advance(100);
  assert.deepEqual(
    started.value.logs.map((/** @type {any} */ { message }) => message),
    ["early", "late"],
  );
  assert.deepEqual(started.value.snapshot, journal.snapshot);
});

test("without a token there is no Authorization", async () => {
  for (const token of [undefined, () => null, () => undefined, async () => ""]) {
    const { server, client } = rig({ token });
    await client.kinds();
    assert.equal(server.requests[0].headers.has("authorization"), false);
  }
});

test("401: a new token is asked for once, by however many, and not twice", async () => {
  let asked = 0;
  const { clock, server, client } = rig({ token: async () => `secret-${++asked}` });
  let valid = 2;
  server.gate = ({ headers }) =>
    headers.get("authorization") === `Bearer secret-${valid}`
      ? undefined
      : problem(401, "unauthorized", "log in");
  const all = outcome(Promise.all([client.kinds(), client.kinds(), client.kinds()]));
  await clock.advance(1_000);
  assert.equal(all.value.length, 3);
  assert.equal(asked, 2);

  valid = 99; // nothing helps
  const requests = server.requests.length;
  const refused = outcome(client.kinds());
  await clock.advance(60_000);
  assert.equal(refused.error.status, 401);
  assert.equal(asked, 3);
  assert.equal(server.requests.length, requests + 2);
});

test("401 without a token to ask for", async () => {
  const { clock, server, client } = rig();
  server.gate = () => problem(401, "unauthorized", "log in");
  const refused = outcome(client.kinds());
  await clock.advance(60_000);
  assert.equal(refused.error.status, 401);
  assert.equal(server.requests.length, 1);
});

test("a token that cannot be had now is asked for again", async () => {
  let asked = 0;
  const token = async () => {
    if (++asked === 1) throw new TypeError("fetch failed");
    return "secret";
  };
  const { clock, server, client } = rig({ token });
  const started = outcome(client.start("copy"));
  await clock.advance(10_000);
  assert.ok(started.value);
  assert.equal(server.requests[0].headers.get("authorization"), "Bearer secret");
});

// @ts-check
/** The SharedWorker: whose connection it is, and who is asked for the token. Ports here are made up. */

import assert from "node:assert/strict";
import { test } from "node:test";

/** @type {any} */
const face = globalThis;
/** @type {{auth: string | null, send: (message: unknown) => void}[]} */
let streams = [];
/** @type {Set<string | null>} tokens that the server does not take */
let refused = new Set();

face.fetch = async (/** @type {URL} */ _url, /** @type {any} */ { headers, signal }) => {
  signal.throwIfAborted();
  const auth = headers.Authorization ?? null;
  if (refused.has(auth)) return new Response("{}", { status: 401 });
  const body = new ReadableStream({
    start(controller) {
      signal.addEventListener("abort", () => controller.error(signal.reason));
      const text = (/** @type {unknown} */ message) => new TextEncoder().encode(`data: ${JSON.stringify(message)}\n\n`);
      controller.enqueue(new TextEncoder().encode("retry: 1000\n\n"));
      streams.push({ auth, send: (message) => controller.enqueue(text(message)) });
    },
  });
  return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
};

await import("../../static/client/worker.js");

/** Let everything happen that waits for no timer. */
async function settle() {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** What is gathered for a stream takes a moment. @param {() => unknown} holds */
async function until(holds) {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

/** Let the newest stream of a user be caught up: who comes then joins it. @param {string | null} auth */
const greet = (auth) => streams.findLast((stream) => stream.auth === auth)?.send({ type: "ping", cursor: "1-1" });

/** @type {(() => void)[]} */
const open = [];
test.beforeEach(() => {
  streams = [];
  refused = new Set();
});
test.afterEach(async () => {
  open.splice(0).forEach((leave) => leave());
  await settle();
});

/**
 * A tab that has joined, and watches.
 * @param {string | null} token
 * @param {{session?: string, answer?: string | null}} [options] `answer`: at once, when it is asked
 */
function tab(token, { session, answer } = {}) {
  /** @type {any[]} */
  const got = [];
  /** @type {any} */
  const port = {
    onmessage: null,
    postMessage(/** @type {any} */ message) {
      got.push(message);
      if (message.type === "token" && answer !== undefined) queueMicrotask(() => send({ type: "token", token: answer }));
    },
  };
  face.onconnect({ ports: [port] });
  const send = (/** @type {any} */ data) => port.onmessage({ data });
  open.push(() => send({ type: "leave" }));
  send({ type: "join", base: "http://server.test/", token, options: { transports: ["sse"], session }, first: null });
  send({ type: "watch", id: 1, want: {}, cursor: "1-1" });
  return {
    got,
    send,
    asked: () => got.filter(({ type }) => type === "token").length,
    seen: () => got.filter(({ type }) => type === "messages").length,
    ended: () => got.some(({ type }) => type === "gone"),
  };
}

const NEWS = { type: "gap", operation: null, reason: "trimmed", missed: null };

test("tabs of one user share a stream, those of another have their own", async () => {
  const [ada, bob, nobody] = [tab("ada"), tab("bob"), tab(null)];
  await until(() => streams.length === 3);
  for (const auth of ["Bearer ada", "Bearer bob", null]) greet(auth);
  await until(() => [ada, bob, nobody].every((one) => one.seen()));
  const again = tab("ada");
  const auths = streams.map(({ auth }) => auth);
  assert.deepEqual(auths, ["Bearer ada", "Bearer bob", null]);
  streams[0].send(NEWS);
  await settle();
  assert.deepEqual([ada, again, bob, nobody].map((one) => one.seen()), [2, 1, 1, 1]);
});

test("users by cookie are told apart by their session", async () => {
  const [ada, bob] = [tab(null, { session: "ada" }), tab(null, { session: "bob" })];
  await until(() => streams.length === 2);
  streams[0].send(NEWS);
  await settle();
  assert.deepEqual([ada.seen(), bob.seen()], [1, 0]);
});

test("a new token: one tab that has it is enough, and who has none says nothing of it", async () => {
  refused.add("Bearer old");
  const [has, lacks] = [tab("old"), tab("old")];
  await until(() => has.asked() && lacks.asked());
  lacks.send({ type: "token", token: null });
  await settle();
  assert.equal(lacks.ended(), false);
  has.send({ type: "token", token: "new" });
  lacks.send({ type: "token", token: null }); // too late to mean anything
  await until(() => streams.length);
  assert.equal(streams[0].auth, "Bearer new");
  // Who has no token is not let in to the stream of who has one.
  const nobody = tab(null);
  await until(() => streams.some(({ auth }) => auth === null));
  greet("Bearer new");
  await until(() => has.seen());
  assert.equal(nobody.seen(), 0);
});

test("when nobody has a token, all are told", async () => {
  refused.add("Bearer old").add(null);
  const both = [tab("old", { answer: null }), tab("old", { answer: null })];
  await until(() => both.every((one) => one.ended()));
});

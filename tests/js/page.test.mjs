// @ts-check
/** What only a page has: events that say that it is back, and cookies. The page here is made up. */

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";

import { rig as make } from "./support/rig.mjs";

const face = /** @type {any} */ (globalThis);
const target = new EventTarget();
/** @type {string[]} */
const cookies = [];

face.addEventListener = target.addEventListener.bind(target);
face.removeEventListener = target.removeEventListener.bind(target);
face.location = new URL("http://server.test/progress/page?x=1");
face.document = Object.assign(new EventTarget(), {
  hidden: false,
  visibilityState: "visible",
  baseURI: face.location.href,
});
Object.defineProperty(face.document, "cookie", { set: (text) => void cookies.push(text), get: () => "" });
const storage = new Map();
face.sessionStorage = {
  getItem: (/** @type {string} */ key) => storage.get(key) ?? null,
  setItem: (/** @type {string} */ key, /** @type {unknown} */ value) => void storage.set(key, String(value)),
};

await import("../../static/client/page.js"); // which takes real time, the first time

/** @type {Record<string, () => void>} what says that the page is back */
const WAKES = {
  online: () => target.dispatchEvent(new Event("online")),
  pageshow: () => target.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true })),
  resume: () => face.document.dispatchEvent(new Event("resume")),
};

/** @param {boolean} hidden */
function show(hidden) {
  Object.assign(face.document, { hidden, visibilityState: hidden ? "hidden" : "visible" });
  face.document.dispatchEvent(new Event("visibilitychange"));
}

test.beforeEach(() => {
  storage.clear();
  cookies.length = 0;
  show(false);
});

/** @type {(() => void)[]} */
const undo = [];
test.afterEach(() => undo.splice(0).forEach((close) => close()));

/** @param {any} [options] */
function rig(options) {
  const all = make(options);
  undo.push(() => all.client.close());
  return all;
}

/** Something that is followed, and live. @param {any} [options] */
async function live(options) {
  const all = rig(options);
  const journal = all.server.add({ id: "a" });
  const operation = all.client.watch("a");
  await all.clock.advance(2_000);
  assert.equal(all.client.connection.snapshot.state, "live");
  return { ...all, journal, operation };
}

for (const [name, wake] of [
  ...Object.entries(WAKES),
  /** @type {const} */ (["visible", () => show(false)]),
]) {
  test(`${name}: what waits for its next try does not wait any more`, async () => {
    const { clock, server, journal, operation } = await live({ random: () => 0.999 });
    if (name === "visible") show(true);
    server.gate = () => "fail";
    server.sockets = "refuse";
    server.cut();
    await clock.advance(60_000);
    // Just after a try in vain: the next is almost five seconds away.
    const tries = server.requests.length;
    while (server.requests.length === tries) await clock.advance(10);
    await clock.advance(100);
    journal.log("while it was away");
    server.gate = () => undefined;
    server.sockets = "open";
    await clock.advance(1_000);
    assert.equal(operation.logs.length, 0);
    wake();
    await clock.advance(100);
    assert.equal(operation.logs.length, 1);
  });
}

for (const [name, wake] of Object.entries(WAKES)) {
  test(`${name}: a stream that may be dead without saying so is made anew, at once`, async () => {
    const { clock, server, journal, operation } = await live();
    const [dead] = [...server.open];
    server.open.clear(); // the network is another one: nothing comes any more, and nobody says so
    clock.freeze(60 * 60_000);
    journal.log("while it was away");
    wake();
    await clock.advance(100);
    assert.equal(operation.logs.length, 1);
    assert.equal(server.streams.length, 2);
    assert.ok(dead);
    assert.equal(server.open.size, 1);
  });
}

test("many such events at once make one connection", async () => {
  const { clock, server } = await live();
  for (const wake of Object.values(WAKES)) wake();
  show(true);
  show(false);
  await clock.advance(1_000);
  assert.equal(server.streams.length, 2);
  assert.equal(server.open.size, 1);
});

test("a connection that is just being made is not made anew", async () => {
  const { clock, server } = await live();
  server.gate = ({ route, headers }) => (/events/.test(route) && !headers.has("prefer") ? "hang" : undefined);
  server.cut();
  while (server.streams.length < 2) await clock.advance(10);
  WAKES.online();
  WAKES.resume();
  await clock.advance(500);
  assert.equal(server.streams.length, 2);
});

test("to look at another tab and back does not disturb a stream that lives", async () => {
  const { clock, server } = await live();
  for (let n = 0; n < 5; n++) {
    show(true);
    await clock.advance(2_000);
    show(false);
    await clock.advance(2_000);
    server.beat();
  }
  target.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: false })); // it was only loaded
  await clock.advance(1_000);
  assert.equal(server.streams.length, 1);
});

test("while nobody looks, tries are further apart; after that, no more than 5 s", async () => {
  const { clock, server } = await live({ random: () => 0.999, transports: ["sse"] });
  server.gate = () => "fail";
  server.cut();
  show(true);
  await clock.advance(10 * 60_000);
  const hidden = server.streams.length;
  assert.ok(hidden > 8 && hidden < 40, `${hidden} in ten minutes`);
  show(false);
  await clock.advance(60_000);
  assert.ok(server.streams.length - hidden >= 12, `${server.streams.length - hidden} in a minute`);
});

test("a page that waits for its first answer wakes up, too", async () => {
  const { clock, server, client } = rig({ random: () => 0.999 });
  server.add({ id: "a" });
  server.gate = () => "fail";
  const operation = client.watch("a");
  await clock.advance(20_000);
  const tries = server.requests.length;
  while (server.requests.length === tries) await clock.advance(10);
  server.gate = () => undefined;
  WAKES.online();
  await clock.advance(500);
  assert.equal(operation.snapshot?.state, "running");
});

test("closed: the page's events mean nothing any more", async () => {
  const count = () =>
    getEventListeners(target, "online").length + getEventListeners(face.document, "resume").length;
  const before = count();
  const { clock, server, client } = await live();
  assert.equal(count(), before + 2);
  client.close();
  assert.equal(count(), before);
  for (const wake of Object.values(WAKES)) wake();
  show(true);
  show(false);
  await clock.advance(60_000);
  assert.equal(server.streams.length, 1);
  assert.equal(clock.pending, 0);
});

test("the token is kept as a cookie, for what cannot send headers, and for this server alone", async () => {
  await live({ token: () => "a b;c=ü" });
  assert.equal(cookies.length, 1);
  assert.match(cookies[0], /^progress_token=a%20b%3Bc=%C3%BC; Path=\/progress\/; SameSite=Strict$/);
});

test("without a token nothing is kept", async () => {
  await live();
  assert.deepEqual(cookies, []);
});

test("the transport that got through is remembered by the tab, for the next page", async () => {
  const { clock, server, client } = rig();
  server.add({ id: "a" });
  server.gate = ({ route, headers }) =>
    /events/.test(route) && !headers.has("prefer")
      ? new Response("<p>", { headers: { "Content-Type": "text/html" } })
      : undefined;
  client.watch("a");
  await clock.advance(1_000);
  assert.equal(client.connection.snapshot.transport, "ws");
  client.close();
  const next = rig();
  next.server.add({ id: "a" });
  next.client.watch("a");
  await next.clock.advance(1_000);
  assert.deepEqual(
    next.server.streams.map(({ route }) => route),
    ["GET ws"],
  );
});

test("a storage that is forbidden does no harm", async () => {
  const kept = face.sessionStorage;
  Object.defineProperty(face, "sessionStorage", {
    configurable: true,
    get: () => {
      throw new DOMException("no", "SecurityError");
    },
  });
  await live();
  Object.defineProperty(face, "sessionStorage", { configurable: true, value: kept });
});

// @ts-check
/** What a client knows, and what it shows of it. tests/transcripts has most of the rules as data. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { compare, fold, hasEnded, shown, View } from "../../static/client/fold.js";
import { seeded } from "./support/random.mjs";

const EPOCH = 1766150400123456;
const TIME = "2026-01-01T12:00:00.000Z";
const NOTHING = {
  ...{ completed: null, total: null, unit: null, fraction: null, message: null, rate: null, eta: null },
  ...{ elapsed: null, position: null },
};

/** @param {any} [fields] @returns {any} */
const snapshot = ({ n = 1, epoch = EPOCH, ...fields } = {}) => ({
  ...{
    id: "a",
    kind: "copy",
    state: "running",
    progress: NOTHING,
    steps: [],
    params: {},
    labels: {},
    result: null,
  },
  ...{ error: null, created_at: TIME, started_at: TIME, updated_at: TIME, finished_at: null },
  ...{ cursor: `${epoch}-${n}`, ...fields },
});
/** @returns {any} */
const event = (/** @type {string} */ type, /** @type {number} */ n, fields = {}) => ({
  ...{ type, cursor: `${EPOCH}-${n}`, operation: "a", time: TIME, ...fields },
});
/** @param {any} [fields] @returns {any} */
const introduce = (fields = {}) => ({ type: "snapshot", operation: "a", snapshot: snapshot(fields) });
/** @returns {any} */
const gap = (/** @type {string} */ reason) => ({ type: "gap", operation: null, reason, missed: null });
/** @returns {any} */
const ping = (n = 0) => ({ type: "ping", cursor: `${EPOCH}-${n}` });

test("cursors are compared as two integers, and not at all where they are foreign", () => {
  assert.ok(compare("5-10", "5-9") > 0);
  assert.ok(compare("5-9", "5-10") < 0);
  assert.equal(compare("5-7", "5-7"), 0);
  assert.ok(Number.isNaN(compare("5-7", "6-1")));
  assert.ok(Number.isNaN(compare("0-0", "6-1")));
  // As large as they get where a number is exact: 2⁵³, and an epoch in µs.
  assert.ok(compare(`${EPOCH}-9007199254740991`, `${EPOCH}-9007199254740990`) > 0);
  assert.ok(Number.isNaN(compare("1766150400123456-1", "1766150400123457-1")));
});

test("nothing comes after four of the states", () => {
  const states = ["queued", "running", "cancelling", "succeeded", "failed", "cancelled", "lost"];
  assert.deepEqual(states.map(hasEnded), [false, false, false, true, true, true, true]);
});

test("the fold changes neither the snapshot nor its steps", () => {
  const step = { id: "scan", completed: 1 };
  const before = Object.freeze(
    snapshot({ steps: Object.freeze([Object.freeze(step)]), progress: Object.freeze(NOTHING) }),
  );
  const more = fold(before, event("progress", 2, { progress: NOTHING, step: { ...step, completed: 2 } }));
  const other = fold(before, event("progress", 2, { progress: NOTHING, step: { id: "copy" } }));
  const ended = fold(before, event("state", 2, { state: "succeeded", result: 1 }));
  assert.deepEqual(more.steps, [{ id: "scan", completed: 2 }]);
  assert.deepEqual(other.steps, [step, { id: "copy" }]);
  assert.deepEqual([ended.result, ended.finished_at, ended.progress.position], [1, TIME, null]);
  assert.equal(before.state, "running");
});

test("who is out of the queue has no place in it, whatever came instead of its turn", () => {
  const before = snapshot({ state: "queued", progress: { ...NOTHING, position: 3 } });
  for (const state of ["running", "cancelled", "failed"]) {
    assert.equal(fold(before, event("state", 2, { state })).progress.position, null, state);
  }
  assert.equal(fold(before, event("state", 2, { state: "queued" })).progress.position, 3);
});

test("a state's result may be null, and is then what it is", () => {
  const before = snapshot({ result: 1 });
  assert.equal(fold(before, event("state", 2, { state: "succeeded", result: null })).result, null);
  assert.equal(fold(before, event("state", 2, { state: "failed", error: { title: "no" } })).result, 1);
});

test("a view tells what was news", () => {
  const view = new View();
  const first = event("log", 2, { message: "1" });
  /** @type {[any, boolean][]} */
  const messages = [
    [event("progress", 1, { progress: NOTHING, step: null }), false], // nothing to apply it to
    [first, true],
    [introduce({ n: 3 }), true],
    [introduce({ n: 3 }), false],
    [introduce({ n: 2 }), false], // it was overtaken
    [event("progress", 3, { progress: NOTHING, step: null }), false],
    [event("progress", 4, { progress: NOTHING, step: null }), true],
    [first, false],
    [event("state", 5, { state: "cancelling" }), true],
    [event("state", 5, { state: "cancelling" }), false],
    [event("log", 10, { message: "2" }), true], // ten comes after nine, not after one
    [event("log", 9, { message: "no" }), false],
    [ping(10), false],
    [gap("trimmed"), true],
    [{ type: "bye", reason: "drain", reconnect: true }, false],
  ];
  for (const [message, isNews] of messages)
    assert.equal(view.apply(message), isNews, JSON.stringify(message));
  assert.equal(view.snapshots.get("a")?.cursor, `${EPOCH}-10`);
});

test("an older snapshot of the same history does not replace a newer one", () => {
  const view = new View();
  view.apply(introduce({ n: 5, state: "succeeded" }));
  view.apply(introduce({ n: 4 }));
  assert.equal(view.snapshots.get("a")?.state, "succeeded");
});

test("one of another history does, however low it counts", () => {
  const view = new View();
  view.apply(introduce({ n: 500 }));
  view.apply(introduce({ n: 1, epoch: EPOCH + 1, state: "queued" }));
  assert.deepEqual(
    [...view.snapshots.values()].map(({ state }) => state),
    ["queued"],
  );
});

test("events of another history are kept, though they count from one again", () => {
  const view = new View();
  view.apply(introduce({ n: 1 }));
  assert.ok(view.apply(event("log", 500, { message: "before" })));
  view.apply(gap("epoch"));
  assert.ok(view.apply(introduce({ n: 1, epoch: EPOCH + 1 })));
  assert.ok(view.apply({ ...event("log", 0), cursor: `${EPOCH + 1}-2` }));
  assert.ok(!view.apply({ ...event("log", 0), cursor: `${EPOCH + 1}-2` }));
});

for (const reason of ["epoch", "future", "expired"]) {
  test(`${reason}: what no snapshot has confirmed by the next bookmark is forgotten, as it was`, () => {
    /** @type {any[]} */
    const forgotten = [];
    const view = new View((snapshot) => forgotten.push(snapshot));
    for (const id of ["a", "b", "c"])
      view.apply({ type: "snapshot", operation: id, snapshot: snapshot({ id }) });
    view.apply(gap(reason));
    assert.equal(view.snapshots.size, 3, "until then it stays");
    view.apply({ type: "snapshot", operation: "b", snapshot: snapshot({ id: "b" }) }); // it confirms
    // The bookmark may be one of the next connection.
    view.apply({ type: "bye", reason: "drain", reconnect: true });
    assert.deepEqual(forgotten, []);
    view.apply(ping(9));
    assert.deepEqual(forgotten, [snapshot({ id: "a" }), snapshot({ id: "c" })]);
    assert.deepEqual([...view.snapshots.keys()], ["b"]);
    view.apply(ping(10));
    assert.equal(forgotten.length, 2, "a bookmark alone makes forget nothing");
  });
}

test("what is shown: a fraction, or null where it is unknown, never 1 before it has succeeded", () => {
  const at = (/** @type {number | null} */ fraction, state = "running") =>
    snapshot({ state, progress: { ...NOTHING, fraction } });
  assert.equal(shown(null, at(null)), null);
  assert.equal(shown(null, at(0)), 0);
  assert.equal(shown(null, at(0.25)), 0.25);
  assert.equal(shown(0.5, at(0.25)), 0.5);
  assert.equal(shown(0.5, at(null)), null);
  assert.equal(shown(null, at(null, "succeeded")), 1);
  assert.equal(shown(0.5, at(0.5, "failed")), 0.5);
  for (const state of ["running", "failed", "cancelled", "lost", "cancelling"]) {
    assert.ok(/** @type {number} */ (shown(null, at(1, state))) < 1, state);
  }
});

test("what is shown never falls, and is 1 only on success, whatever comes", () => {
  const random = seeded(20260101);
  const pick = (/** @type {any[]} */ among) => among[Math.floor(random() * among.length)];
  for (let run = 0; run < 300; run++) {
    let now = snapshot({ state: "queued" });
    /** @type {number | null} */
    let before = null;
    let highest = 0;
    for (let n = 2; n < 40; n++) {
      const fraction = pick([null, 0, 1, random(), random(), random()]);
      const state = pick(
        n < 30 ? ["queued", "running", "cancelling"] : ["succeeded", "failed", "cancelled", "lost"],
      );
      const next = pick([
        event("progress", n, { progress: { ...NOTHING, fraction }, step: null }),
        event("progress", n, { progress: { ...NOTHING, fraction }, step: null }),
        event("state", n, { state }),
      ]);
      now = fold(now, next);
      const is = shown(before, now);
      assert.equal(is === 1, now.state === "succeeded", `run ${run}, event ${n}`);
      if (is !== null) {
        assert.ok(is >= highest && is <= 1, `run ${run}, event ${n}: ${is} after ${highest}`);
        highest = is;
      }
      before = is ?? before;
      if (hasEnded(now.state)) break;
    }
  }
});

// @ts-check
/** What may stand between a client and its server, and who has seen everything all the same. */

import assert from "node:assert/strict";

import { only } from "./rig.mjs";
import { problem } from "./streams.mjs";

export const SSE = { "Content-Type": "text/event-stream" };

/** Streams that do not end are answered so; what ends comes through. @param {() => any} answer */
export const streamsAre =
  (answer) =>
  (/** @type {any} */ { route, headers }) =>
    /events$/.test(route) && !headers.has("prefer") ? answer() : undefined;

/** @type {Record<string, () => any>} */
export const REFUSALS = {
  404: () => problem(404, "not-found", "no such page"),
  405: () => new Response("", { status: 405 }),
  406: () => new Response("not that type", { status: 406 }),
  "a page": () => new Response("<h1>Welcome to the hotel</h1>", { headers: { "Content-Type": "text/html" } }),
  "no type": () => new Response(new ReadableStream({}), { headers: {} }),
};

/** @type {Record<string, () => any>} */
export const SILENCES = {
  "nothing at all": () => "hang",
  "headers, and then nothing": () => new Response(new ReadableStream({}), { headers: SSE }),
};

/**
 * What they have seen equals what the server knows.
 * @param {any} operation
 * @param {any} collected
 * @param {any} journal
 */
export function agree(operation, collected, journal) {
  const lossless = collected.messages.filter((/** @type {any} */ { type }) =>
    ["state", "log", "output"].includes(type),
  );
  assert.deepEqual(lossless, journal.past, "every lossless event once, in order");
  assert.deepEqual(operation.snapshot, journal.snapshot);
  assert.deepEqual(operation.logs, only(journal.past, "log"));
  assert.deepEqual(operation.outputs, only(journal.past, "output"));
  assert.equal(operation.missed, 0);
  assert.ok(collected.isOver);
}

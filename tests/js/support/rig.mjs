// @ts-check
/** A client, the time that it lives in, and the server that it talks to. */

import { ProgressClient } from "../../../static/client/index.js";
import { FakeClock } from "./clock.mjs";
import { BASE, FakeServer } from "./server.mjs";

/** @param {import("../../../static/client/index.js").ClientOptions} [options] */
export function rig(options = {}) {
  const clock = new FakeClock();
  const server = new FakeServer(clock);
  const { fetch, WebSocket } = server;
  const given = /** @type {any} */ ({ clock, fetch, WebSocket, random: () => 0.5, ...options });
  return { clock, server, client: new ProgressClient(BASE, given) };
}

/**
 * All that an iteration yields; what it ends with once it has.
 * @param {AsyncIterable<any>} iterable
 */
export function collect(iterable) {
  /** @type {{messages: any[], isOver: boolean, error: any}} */
  const collected = { messages: [], isOver: false, error: null };
  const iterator = iterable[Symbol.asyncIterator](); // it counts from here on
  (async () => {
    try {
      for (let next; !(next = await iterator.next()).done;) collected.messages.push(next.value);
    } catch (error) {
      collected.error = error;
    }
    collected.isOver = true;
  })();
  return collected;
}

/**
 * What has become of a promise by now.
 * @param {Promise<any>} promise
 */
export function outcome(promise) {
  /** @type {{value?: any, error?: any, isSettled: boolean}} */
  const result = { isSettled: false };
  promise.then(
    (value) => Object.assign(result, { value, isSettled: true }),
    (error) => Object.assign(result, { error, isSettled: true }),
  );
  return result;
}

/** @param {any[]} messages @param {string} type */
export const only = (messages, type) => messages.filter((message) => message.type === type);

/** Something that is followed, on SSE alone, and live. @param {any} [options] */
export async function live(options) {
  const all = rig({ transports: ["sse"], ...options });
  const journal = all.server.add({ id: "a" });
  const operation = all.client.watch("a");
  await all.clock.advance(100);
  return { ...all, journal, operation };
}

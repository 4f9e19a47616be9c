// @ts-check
/** Follows operations as somebody's page does, and writes down all that comes. */

import { ProgressClient } from "/static/client/index.js";

/**
 * @param {string | null} id null: all
 * @param {import("../../static/client/index.js").ClientOptions} options
 */
export function follow(id, options) {
  const client = new ProgressClient("/", options);
  const following = id === null ? client.watchAll() : client.watch(id);
  /** @type {Record<string, string[]>} */
  const states = {};
  /** @type {Record<string, string[]>} */
  const logs = {};
  /** @type {unknown[]} */
  const statuses = [];
  /** @type {string[]} */
  const errors = [];
  following.subscribe((message) => {
    if (message?.type === "state") (states[message.operation] ??= []).push(message.state);
    if (message?.type === "log") (logs[message.operation] ??= []).push(message.message);
    if (following.error) errors.push(String(following.error));
  });
  client.connection.subscribe(() => statuses.push({ ...client.connection.snapshot, at: Date.now() }));
  /** @param {string} one */
  const get = (one) => ("get" in following ? following.get(one) : following.snapshot);
  /** @param {string} one */
  const stateOf = (one) => get(one)?.state;
  /** Milliseconds until it tries again by itself. */
  const waits = () => Math.max(0, (client.connection.snapshot.retryAt ?? 0) - Date.now());
  const is = (/** @type {string[]} */ ...expected) => expected.includes(client.connection.snapshot.state);
  Object.assign(globalThis, { client, following, states, logs, statuses, errors, get, stateOf, waits, is });
}

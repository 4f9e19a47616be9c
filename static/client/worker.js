// @ts-check
/** The SharedWorker: one connection for all tabs of a browser, as long as any of them is there. */

import { Feed } from "./feed.js";
import { Http, pack } from "./http.js";

/**
 * @typedef {object} Tab
 * @property {MessagePort} port
 * @property {boolean} isHidden
 * @property {Map<number, () => void>} watching the undo of each
 *
 * @typedef {object} Group tabs of one server and one user
 * @property {string} key
 * @property {string | null} token null: they have cookies, or nothing
 * @property {Feed} feed
 * @property {Set<Tab>} tabs
 * @property {(token: string | null) => void} answer
 */

/** @type {Set<Group>} */
const groups = new Set();

/**
 * @param {string} base
 * @param {string | null} token
 * @param {import("./index.js").ClientOptions} options
 * @param {import("./index.js").Transport | null} first
 * @returns {Group}
 */
function groupFor(base, token, options, first) {
  const key = JSON.stringify([base, options.session]);
  for (const group of groups) if (group.key === key && group.token === token) return group;
  /** @type {Set<Tab>} */
  const tabs = new Set();
  const say = (/** @type {unknown} */ message) => tabs.forEach(({ port }) => port.postMessage(message));
  let isFirst = true;
  const ask = () => {
    if (isFirst) {
      isFirst = false;
      return group.token;
    }
    say({ type: "token" });
    let silent = tabs.size;
    return new Promise((resolve) => {
      // The first that has one counts; that nobody has one is known when all have said so.
      group.answer = (fresh) => {
        if (fresh === null && --silent) return;
        group.answer = () => {};
        if (fresh !== null) group.token = fresh;
        resolve(fresh);
      };
    });
  };
  const http = new Http(base, token === null ? undefined : ask);
  const feed = new Feed(http, options, (status) => say(told(status)), first);
  /** @type {Group} */
  const group = { key, token, feed, tabs, answer() {} };
  groups.add(group);
  return group;
}

/** @param {import("./index.js").ConnectionStatus} status */
const told = (status) => ({ type: "status", status: { ...status, error: status.error && pack(status.error) } });

/** @param {MessagePort} port */
function serve(port) {
  const tab = { port, isHidden: false, watching: new Map() };
  /** @type {Group | undefined} */
  let group;
  port.onmessage = ({ data: { type, id, base, token, options, first, want, cursor, event } }) => {
    if (type === "join") {
      group = groupFor(base, token, options, first);
      group.tabs.add(tab);
      port.postMessage({ type: "ready" });
      port.postMessage(told(group.feed.status));
    }
    if (!group) return;
    const { feed, tabs } = group;
    if (type === "watch") {
      const sink = {
        messages: (/** @type {unknown} */ messages) => port.postMessage({ type: "messages", id, messages }),
        gone: (/** @type {unknown} */ error) => port.postMessage({ type: "gone", id, error: error && pack(error) }),
      };
      tab.watching.set(id, feed.watch(want, cursor, sink));
    } else if (type === "unwatch") {
      tab.watching.get(id)?.();
      tab.watching.delete(id);
    } else if (type === "page") {
      tab.isHidden = event === "hidden";
      if (!tab.isHidden || [...tabs].every((other) => other.isHidden)) feed.page(event);
    } else if (type === "token") {
      group.answer(token);
    } else if (type === "leave") {
      for (const undo of tab.watching.values()) undo();
      tab.watching.clear();
      tabs.delete(tab);
      if (!tabs.size) groups.delete(group);
      group = undefined;
    }
  };
}

/** @type {any} */ (globalThis).onconnect = (/** @type {MessageEvent} */ event) => serve(event.ports[0]);

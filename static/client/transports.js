// @ts-check
/** The three wires. Each brings the same messages, from a cursor on, until it ends. */

import { Parser } from "./sse.js";
import { pathFor } from "./wants.js";

/**
 * @typedef {import("./index.js").Message} Message
 * @typedef {import("./wants.js").Want} Want
 *
 * @typedef {object} Link what a transport is given
 * @property {import("./http.js").Http} http
 * @property {typeof WebSocket} [WebSocket]
 * @property {readonly Want[]} wants
 * @property {string} cursor it is moved along
 * @property {AbortSignal} signal
 * @property {() => void} heard bytes came
 * @property {(ms: number) => void} retry
 * @property {(message: Message) => void} message
 * @property {(want: Want, problem: import("./index.js").Problem) => void} gone
 * @property {(ms: number) => Promise<void>} sleep
 * @property {() => number} now
 */

/** This transport does not get through; another may. */
export class Refused extends Error {}

/** Seconds that a poll waits for news: less than the minute after which proxies give up. */
const WAIT = 20;
/** Milliseconds between two polls. */
const PACE = 1000;
/** Milliseconds after which what is better may be tried again. */
const LONG = 600_000;

/**
 * One request for events: endless, or with `wait` until there are news, that many seconds at most.
 * @param {Link} link
 * @param {number} [wait]
 * @returns {Promise<boolean>} whether nothing is left to come
 */
export async function read(link, wait) {
  const { signal, cursor } = link;
  const response = await link.http.request(pathFor(link.wants), {
    signal,
    headers: {
      Accept: "text/event-stream",
      "Last-Event-ID": cursor,
      ...(wait === undefined ? {} : { Prefer: `wait=${wait}` }),
    },
  });
  if (response.status === 204) return true;
  if (!response.body || !response.headers.get("content-type")?.startsWith("text/event-stream")) {
    throw new Refused(`an event stream was expected at ${response.url}`);
  }
  const parser = new Parser(cursor);
  const reader = response.body.getReader();
  let isOver = false;
  for (;;) {
    const { done, value } = await reader.read();
    if (signal.aborted) throw signal.reason;
    if (done) return isOver;
    link.heard();
    for (const event of parser.push(value)) {
      const message = JSON.parse(event.data);
      if (event.id) link.cursor = event.id;
      if (message.type === "bye") isOver = !message.reconnect;
      link.message(message);
    }
    if (parser.retry !== null) link.retry(parser.retry);
  }
}

/** @param {Link} link */
export const sse = (link) => read(link);

/** @param {Link} link */
export async function poll(link) {
  // The first one is answered at once, so that it shows whether anybody is there.
  const until = link.now() + LONG;
  for (let wait = 0; link.now() < until; wait = WAIT) {
    if (await read(link, wait)) return true;
    await link.sleep(PACE);
  }
  return false;
}

/**
 * JSON-RPC 2.0 over a WebSocket: one subscription for each want.
 * @param {Link} link
 * @returns {Promise<boolean>}
 */
export async function ws(link) {
  const { http } = link;
  const token = await http.token();
  // It goes as a cookie, which another tab may have changed, and a worker cannot.
  if (token && !http.keep) throw new Refused("a WebSocket cannot bring the token from here");
  if (token) await http.keep?.(token);
  const { WebSocket, signal, cursor: after } = link;
  // Each is caught up by itself. A list has the states alone, and must not overtake what is between them.
  const wants = [...link.wants].sort((a, b) => Number(!a.operation) - Number(!b.operation));
  if (!WebSocket) throw new Refused("there is no WebSocket here");
  const socket = new WebSocket(new URL("ws", http.base.replace(/^http/, "ws")), "progress.v1");
  let waiting = wants.length;
  /** @type {Message | undefined} */
  let bookmark;

  /** @param {any} received */
  const take = ({ id, method, params, result, error }) => {
    if (method === "event") {
      const { type, cursor } = params;
      // Until all are caught up, what is not shown yet may still come: no bookmark counts.
      if (waiting && type === "ping") bookmark = params;
      else link.message(params);
      if (!waiting && cursor) link.cursor = cursor;
      return;
    }
    // What is wrong with one is no reason to refuse the others; 401 and 429 are of the whole.
    if (error && !/^4(?!01|29)/.test(error.data?.status)) throw new Refused(error.message);
    if (error) link.gone(wants[id], error.data);
    if (--waiting) return;
    if (result) link.cursor = result.cursor;
    if (bookmark) link.message(bookmark);
  };

  return new Promise((resolve, reject) => {
    const end = (/** @type {unknown} */ reason) => {
      socket.onmessage = socket.onclose = null;
      socket.close();
      reject(reason);
    };
    if (signal.aborted) return end(signal.reason);
    signal.addEventListener("abort", () => end(signal.reason), { once: true });
    socket.onopen = () => {
      wants.forEach((want, id) =>
        socket.send(JSON.stringify({ jsonrpc: "2.0", id, method: "subscribe", params: { ...want, after } })),
      );
    };
    let isOpen = false;
    socket.onmessage = ({ data }) => {
      try {
        take(JSON.parse(data));
        isOpen = true;
        link.heard();
      } catch (error) {
        end(error);
      }
    };
    socket.onerror = () => {}; // a close follows, and tells as little
    socket.onclose = () => (isOpen ? resolve(false) : reject(new Refused("no WebSocket gets through")));
  });
}

// @ts-check
/** A feed in a SharedWorker, as a tab sees it. */

import { unpack } from "./http.js";

/** Milliseconds for the worker to say that it is there. */
const READY = 4_000;

/**
 * @typedef {import("./feed.js").Feed} Feed
 * @typedef {Pick<Feed, "watch" | "page" | "close">} FeedFace
 */

/**
 * Join the worker; null where that cannot be.
 * @param {import("./http.js").Http} http
 * @param {import("./index.js").ClientOptions} options
 * @param {(status: import("./index.js").ConnectionStatus) => void} onstatus
 * @param {import("./index.js").Transport | null} [first]
 * @returns {Promise<FeedFace | null>}
 */
export async function join(http, { transports, silence, session }, onstatus, first) {
  if (!globalThis.SharedWorker) return null;
  const token = (await http.token()) ?? null;
  /** @type {Map<number, {want: any, cursor: string, sink: import("./feed.js").Sink}>} */
  const watching = new Map();
  let last = 0;
  /** @type {MessagePort | undefined} */
  let port;
  const post = (/** @type {unknown} */ message) => port?.postMessage(message);
  const enter = () => post({ type: "join", base: http.base, token, options: { transports, silence, session }, first });

  const leave = () => post({ type: "leave" });
  const closing = new AbortController();

  /** @type {FeedFace} */
  const feed = {
    watch(want, cursor, sink) {
      const id = ++last;
      watching.set(id, { want, cursor, sink });
      post({ type: "watch", id, want, cursor });
      return () => void (watching.delete(id) && post({ type: "unwatch", id }));
    },
    page: (event) => post({ type: "page", event }),
    close() {
      watching.clear();
      leave();
      closing.abort();
      port?.close();
    },
  };

  const isReady = await new Promise((resolve) => {
    setTimeout(resolve, READY, false);
    try {
      const worker = new SharedWorker(new URL("./worker.js", import.meta.url), { type: "module", name: "progress" });
      worker.onerror = () => resolve(false);
      port = worker.port;
      port.onmessage = ({ data: { type, id, messages, error, status } }) => {
        const watcher = watching.get(id);
        if (type === "ready") resolve(true);
        if (type === "messages" && watcher) {
          watcher.cursor = messages.at(-1).cursor ?? watcher.cursor;
          watcher.sink.messages(messages);
        }
        else if (type === "status") onstatus({ ...status, error: status.error && unpack(status.error) });
        else if (type === "token") {
          const answer = (/** @type {any} */ token) => post({ type: "token", token });
          http.token(true)?.then(answer, () => answer(null));
        } else if (type === "gone") {
          watching.delete(id);
          watcher?.sink.gone(error && unpack(error));
        }
      };
      enter();
    } catch {
      resolve(false); // a script of another origin, or a sandbox
    }
  });
  if (!isReady) {
    feed.close();
    return null;
  }

  // A page that is put aside, or frozen, may come back, but no worker waits for it, or fills its port.
  const back = () => {
    enter();
    for (const [id, { want, cursor }] of watching) post({ type: "watch", id, want, cursor });
  };
  const { signal } = closing;
  addEventListener("pagehide", leave, { signal });
  addEventListener("pageshow", ({ persisted }) => persisted && back(), { signal });
  document.addEventListener("freeze", leave, { signal });
  document.addEventListener("resume", back, { signal });
  return feed;
}

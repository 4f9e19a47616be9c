// @ts-check
/** Follows an operation with what browsers have by themselves, but for the fold. */

import { fold } from "/static/client/index.js";

const TYPES = ["snapshot", "progress", "state", "log", "output", "gap", "ping", "bye"];

const known = {
  /** @type {import("../../static/client/index.js").Snapshot | null} */
  snapshot: null,
  /** @type {string[]} */
  logs: [],
  /** @type {unknown[]} */
  outputs: [],
  isOver: false,
};
Object.assign(globalThis, { known });

/** @param {import("../../static/client/index.js").Message} message */
function take(message) {
  if (message.type === "snapshot") known.snapshot = message.snapshot;
  if (message.type === "log") known.logs.push(message.message);
  if (message.type === "output") known.outputs.push(message.data);
  if (!known.snapshot || !("time" in message)) return;
  if (place(message.cursor) > place(known.snapshot.cursor)) known.snapshot = fold(known.snapshot, message);
}

/** @param {string} cursor */
const place = (cursor) => Number(cursor.split("-")[1]);

/** @param {string} id */
export function eventSource(id) {
  const source = new EventSource(`/operations/${id}/events`);
  for (const type of TYPES) source.addEventListener(type, ({ data }) => take(JSON.parse(data)));
  source.addEventListener("bye", () => {
    source.close(); // it would come back
    known.isOver = true;
  });
}

/** @param {string} id */
export function webSocket(id) {
  const socket = new WebSocket("/ws", "progress.v1");
  const params = { operation: id, after: "0-0" };
  socket.onopen = () => socket.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "subscribe", params }));
  socket.onmessage = ({ data }) => {
    const { method, params } = JSON.parse(data);
    if (method !== "event") return;
    take(params);
    // The bookmark after the end: nothing is left to come.
    if (params.type === "ping" && known.snapshot?.finished_at) known.isOver = true;
  };
}

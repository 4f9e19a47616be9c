// @ts-check

import { fold, hasEnded, lost, shown } from "./fold.js";
import { Following } from "./following.js";

/**
 * @typedef {import("./index.js").Operation} Face
 * @typedef {import("./index.js").Snapshot} Snapshot
 * @typedef {import("./index.js").OperationMessage} OperationMessage
 */

/** Log lines and outputs that are kept. */
const MOST = 10_000;

/** An operation did not succeed. */
export class OperationError extends Error {
  /** @param {Snapshot} snapshot */
  constructor(snapshot) {
    super(snapshot.error?.detail || snapshot.error?.title || `the operation was ${snapshot.state}`);
    this.name = "OperationError";
    this.snapshot = snapshot;
  }
}

/** @implements {Face} */
export class Operation extends Following {
  /** @type {Snapshot | null} */
  snapshot = null;
  /** @type {readonly import("./index.js").LogMessage[]} */
  logs = [];
  /** @type {readonly import("./index.js").OutputMessage[]} */
  outputs = [];
  missed = 0;
  /** @type {number | null} */
  fraction = null;
  /** @type {number | null} */
  #shown = null;
  #http;

  /**
   * @param {string} id
   * @param {import("./http.js").Http} http
   */
  constructor(id, http) {
    super();
    this.id = id;
    this.#http = http;
  }

  /** @param {OperationMessage} [message] */
  changed(message) {
    this.snapshot = this.view.snapshots.get(this.id) ?? this.snapshot;
    if (message?.type === "log") this.logs = [...this.logs.slice(1 - MOST), message];
    if (message?.type === "output") this.outputs = [...this.outputs.slice(1 - MOST), message];
    if (message?.type === "gap") this.missed += (message.missed?.log ?? 0) + (message.missed?.output ?? 0);
    if (this.snapshot) this.fraction = shown(this.#shown, this.snapshot);
    this.#shown = this.fraction ?? this.#shown;
    super.changed(message);
  }

  /** @param {import("./index.js").Message} message */
  applied(message) {
    // A terminal snapshot may come before the history that led to it: a bookmark says that it is over.
    const isLast = message.type === "state" ? hasEnded(message.state) : message.type === "ping";
    if (isLast && this.snapshot && hasEnded(this.snapshot.state)) this.close();
  }

  /** @param {Snapshot} snapshot */
  forgotten(snapshot) {
    if (hasEnded(snapshot.state)) return;
    const event = lost(snapshot);
    this.snapshot = fold(snapshot, event);
    super.changed(event);
    this.close();
  }

  /** @param {any} error */
  gone(error) {
    // What is not there any more, but was, has ended in a way that nobody knows.
    const isKnown = this.snapshot && /^(404|410)$/.test(error?.status);
    if (isKnown) this.view.forget(this.id);
    super.gone(isKnown ? null : error);
  }

  /** @returns {Promise<unknown>} */
  result() {
    return new Promise((resolve, reject) => {
      const settle = () => {
        const { snapshot, error, isClosed } = this;
        if (snapshot?.state === "succeeded") resolve(snapshot.result);
        else if (snapshot && hasEnded(snapshot.state)) reject(new OperationError(snapshot));
        else if (isClosed) reject(error ?? new DOMException("it is not followed any more", "AbortError"));
        else return;
        stop();
      };
      const stop = this.subscribe(settle);
      settle();
    });
  }

  async cancel() {
    try {
      await this.#http.request(`operations/${encodeURIComponent(this.id)}/cancel`, { method: "POST" });
    } catch (error) {
      if (/** @type {any} */ (error).status !== 409) throw error; // it has ended, which is as well
    }
  }
}

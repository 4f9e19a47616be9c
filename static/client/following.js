// @ts-check
/** What operations and collections have in common: callbacks, iteration, an end. */

import { View } from "./fold.js";

/**
 * @typedef {import("./index.js").Message} Message
 * @typedef {import("./index.js").OperationMessage} OperationMessage
 * @typedef {import("./index.js").Snapshot} Snapshot
 */

/** Messages that an iteration may be behind; then logs and outputs are counted instead. */
const MOST = 1_000;

/** Callbacks, each with its undo. */
export class Callbacks {
  /** @type {Set<{call: (message?: OperationMessage) => void}>} */
  #all = new Set();

  /** @param {(message?: OperationMessage) => void} call */
  add(call) {
    const entry = { call }; // the same function may come twice
    this.#all.add(entry);
    return () => void this.#all.delete(entry);
  }

  /** @param {OperationMessage} [message] */
  call(message) {
    for (const { call } of [...this.#all]) {
      try {
        call(message);
      } catch (error) {
        void Promise.reject(error); // it is told as unhandled, and keeps nobody else from being called
      }
    }
  }
}

export class Following {
  /** @type {Error | null} */
  error = null;
  isClosed = false;
  view = new View((snapshot) => this.forgotten(snapshot));
  #callbacks = new Callbacks();
  #leave = new AbortController();

  /** Aborted once nothing is wanted any more. */
  get left() {
    return this.#leave.signal;
  }

  /** @param {(message?: OperationMessage) => void} callback */
  subscribe = (callback) => this.#callbacks.add(callback);

  /** @param {Message[]} messages */
  messages(messages) {
    for (const message of messages) {
      if (this.isClosed) return;
      if (!this.takes(message)) continue;
      if (this.view.apply(message)) this.changed(/** @type {OperationMessage} */ (message));
      this.applied(message);
    }
  }

  /** @param {Message} _message */
  takes(_message) {
    return true;
  }

  /** @param {OperationMessage} [message] */
  changed(message) {
    this.#callbacks.call(message);
  }

  /** @param {Message} _message */
  applied(_message) {}

  /** @param {Error | null} error */
  gone(error) {
    if (this.isClosed) return;
    this.error = error;
    this.close();
  }

  close() {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#leave.abort();
    this.changed();
  }

  /** @param {Snapshot} _snapshot as it was held last */
  forgotten(_snapshot) {}

  /** @returns {AsyncIterableIterator<OperationMessage>} */
  [Symbol.asyncIterator]() {
    /** @type {Map<unknown, OperationMessage>} of what only the latest counts, the latest */
    const queue = new Map();
    let log = 0;
    let output = 0;
    let state = 0;
    /** @type {Set<() => void>} */
    const waiting = new Set();
    const wake = () => waiting.forEach((resume) => waiting.delete(resume) && resume());
    const stop = this.subscribe((message) => {
      wake();
      if (!message) return;
      const { type, operation } = message;
      const step = type === "progress" && message.step?.id;
      const key = type === "progress" || type === "snapshot" ? `${type} ${operation} ${step}` : message;
      queue.delete(key);
      queue.set(key, message);
      if (queue.size <= MOST) return;
      const [[first, dropped]] = queue;
      queue.delete(first);
      if (dropped.type === "log") log++;
      else if (dropped.type === "output") output++;
      else if (dropped.type === "state") state++;
    });
    const following = this;
    const done = /** @type {const} */ ({ done: true, value: undefined });
    let isOver = false;
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      async next() {
        while (!isOver) {
          if (log + output + state) {
            const missed = { state, log, output };
            log = output = state = 0;
            return { value: { type: "gap", operation: null, reason: "trimmed", missed } };
          }
          for (const [id, value] of queue) {
            queue.delete(id);
            return { value };
          }
          if (following.isClosed) {
            stop();
            isOver = true;
            if (following.error) throw following.error;
            break;
          }
          await new Promise((resolve) => waiting.add(() => resolve(undefined)));
        }
        return done;
      },
      async return() {
        isOver = true;
        stop();
        wake();
        return done;
      },
    };
  }
}

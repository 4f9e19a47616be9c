// @ts-check

import { fold, hasEnded, lost, shown } from "./fold.js";
import { Following } from "./following.js";

/**
 * @typedef {import("./index.js").Operations} Face
 * @typedef {import("./index.js").Snapshot} Snapshot
 * @typedef {import("./index.js").OperationMessage} OperationMessage
 */

/** Operations that are kept: of more the oldest that have ended go. */
const MOST = 5_000;

/** @implements {Face} */
export class Operations extends Following {
  loaded = false;
  /** @type {string | null} */
  #next = null;
  /** @type {Map<string, Snapshot>} those the server forgot, as they were last */
  #gone = new Map();
  /** @type {Map<string, number>} */
  #shown = new Map();
  /** @type {readonly Snapshot[] | null} */
  #sorted = null;
  /** @type {Map<string, OperationMessage[]>} */
  #early = new Map();
  #states;
  #http;

  /**
   * @param {readonly string[]} states none: all
   * @param {import("./http.js").Http} http
   */
  constructor(states, http) {
    super();
    this.#states = states;
    this.#http = http;
  }

  get snapshot() {
    return (this.#sorted ??= [...this.view.snapshots.values(), ...this.#gone.values()]
      .filter(({ state }) => !this.#states.length || this.#states.includes(state))
      .sort((a, b) => (a.id < b.id ? 1 : -1)));
  }

  get hasMore() {
    return this.#next !== null;
  }

  /** @param {string} id */
  get = (id) => this.view.snapshots.get(id) ?? this.#gone.get(id);

  /** @param {string} id */
  fraction = (id) => {
    const snapshot = this.get(id);
    const fraction = snapshot ? shown(this.#shown.get(id) ?? null, snapshot) : null;
    if (fraction !== null) this.#shown.set(id, fraction);
    return fraction;
  };

  /**
   * Others may watch more, and theirs comes along. So what is of an operation that is not here waits
   * for its snapshot.
   * @param {import("./index.js").Message} message
   */
  takes(message) {
    if (!("operation" in message) || message.operation === null) return true;
    const { type, operation } = message;
    const early = this.#early.get(operation) ?? [];
    if (type !== "snapshot" && !this.view.snapshots.has(operation)) {
      if (type === "state") this.#early.set(operation, [...early, message]);
      if (this.#early.size > MOST) this.#early.clear();
      return false;
    }
    return true;
  }

  /** @param {import("./index.js").Message} message */
  applied(message) {
    if (message.type === "snapshot") this.#introduced(message.operation);
  }

  /** @param {string} id */
  #introduced(id) {
    const early = this.#early.get(id) ?? [];
    this.#early.delete(id);
    this.messages(early);
  }

  /** @param {OperationMessage} [message] */
  changed(message) {
    this.#sorted = null;
    if (message?.type === "snapshot") this.#gone.delete(message.operation);
    if (this.view.snapshots.size + this.#gone.size > MOST) this.#shed();
    super.changed(message);
  }

  #shed() {
    for (const id of this.#gone.keys()) return void this.#gone.delete(id);
    for (const [id, { state }] of this.view.snapshots) {
      if (!hasEnded(state)) continue;
      this.view.delete(id);
      this.#shown.delete(id);
      return;
    }
  }

  /** @param {Snapshot} snapshot */
  forgotten(snapshot) {
    if (hasEnded(snapshot.state)) {
      this.#gone.set(snapshot.id, snapshot);
      return;
    }
    const event = lost(snapshot);
    this.#gone.set(snapshot.id, fold(snapshot, event));
    this.changed(event);
  }

  /**
   * Add a page of the list; return the cursor to go on from.
   * @param {string} path
   * @param {AbortSignal} [signal]
   */
  async load(path, signal = this.left) {
    const response = await this.#http.request(path, { signal });
    const { operations, next, cursor } = await response.json();
    this.#next = next;
    this.loaded = true;
    for (const { links, ...snapshot } of operations.reverse()) {
      this.view.apply({ type: "snapshot", operation: snapshot.id, snapshot });
    }
    this.changed();
    for (const { id } of operations) this.#introduced(id);
    return /** @type {string} */ (cursor);
  }

  async more() {
    if (this.#next) await this.load(this.#next);
  }
}

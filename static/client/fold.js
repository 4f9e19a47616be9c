// @ts-check
/** What a client knows of an operation, and what it shows of it. */

/**
 * @typedef {import("./index.js").Snapshot} Snapshot
 * @typedef {import("./index.js").Message} Message
 * @typedef {Exclude<import("./index.js").OperationMessage, {type: "snapshot" | "gap"}>} Fact
 */

/** @param {string} state */
export const hasEnded = (state) => /^(succeeded|failed|cancelled|lost)$/.test(state);

/**
 * Which of two cursors is further: `a - b`. NaN, if they are of different histories.
 * @param {string} a
 * @param {string} b
 */
export function compare(a, b) {
  const [epoch, n] = a.split("-");
  const [other, m] = b.split("-");
  return epoch === other ? Number(n) - Number(m) : NaN;
}

/**
 * @param {Snapshot} snapshot
 * @param {Fact} event
 * @returns {Snapshot}
 */
export function fold(snapshot, event) {
  const { time, cursor } = event;
  const next = { ...snapshot, updated_at: time, cursor };
  if (event.type === "progress") {
    next.progress = event.progress;
    if (event.step) {
      const { id } = event.step;
      const index = snapshot.steps.findIndex((step) => step.id === id);
      const steps = [...snapshot.steps];
      steps[index < 0 ? steps.length : index] = event.step;
      next.steps = steps;
    }
  } else if (event.type === "state") {
    const { state, result, error } = event;
    next.state = state;
    if (state !== "queued") next.progress = { ...snapshot.progress, position: null };
    if (result !== undefined) next.result = result;
    if (error !== undefined) next.error = error;
    if (state === "running") next.started_at = time;
    next.finished_at = hasEnded(state) ? time : null;
  }
  return next;
}

/**
 * What it is taken for when the server has forgotten it: its process is gone.
 * @param {Snapshot} snapshot
 * @returns {import("./index.js").StateMessage}
 */
export const lost = ({ id: operation, cursor }) => ({
  type: "state",
  operation,
  cursor,
  time: new Date().toISOString(),
  state: "lost",
});

/**
 * The fraction to show: it never falls, and is 1 only on success. Null: unknown.
 * @param {number | null} before what was shown last
 * @param {Snapshot} snapshot
 */
export function shown(before, { state, progress: { fraction } }) {
  if (state === "succeeded") return 1;
  return fraction === null ? null : Math.max(before ?? 0, Math.min(fraction, 0.999));
}

/** All that a reader knows, over any number of connections. */
export class View {
  /** @type {Map<string, Snapshot>} */
  snapshots = new Map();
  /** @type {Map<string, string>} the newest lossless event of each operation */
  #newest = new Map();
  /** @type {Set<string> | null} what the next bookmark makes us forget */
  #unconfirmed = null;
  #forget;

  /** @param {(snapshot: Snapshot) => void} [forget] the server no longer knows this one */
  constructor(forget = () => {}) {
    this.#forget = forget;
  }

  /**
   * Take one message; return whether it was news.
   * @param {Message} message
   */
  apply(message) {
    switch (message.type) {
      case "snapshot":
        return this.#replace(message.snapshot);
      case "gap":
        if (message.reason !== "trimmed") this.#unconfirmed = new Set(this.snapshots.keys());
        return true;
      case "ping":
        for (const id of this.#unconfirmed ?? []) this.forget(id);
        this.#unconfirmed = null;
        return false;
      case "progress":
      case "state":
      case "log":
      case "output":
        return this.#fact(message);
      default: // a goodbye, or what a newer server says
        return false;
    }
  }

  /** @param {string} id */
  forget(id) {
    const snapshot = this.snapshots.get(id);
    this.delete(id);
    if (snapshot) this.#forget(snapshot);
  }

  /** @param {string} id */
  delete(id) {
    this.snapshots.delete(id);
    this.#newest.delete(id);
  }

  /** @param {Snapshot} snapshot */
  #replace(snapshot) {
    const held = this.snapshots.get(snapshot.id);
    this.#unconfirmed?.delete(snapshot.id);
    if (held && compare(snapshot.cursor, held.cursor) <= 0) return false; // it was overtaken
    this.snapshots.set(snapshot.id, snapshot);
    return true;
  }

  /** @param {Fact} event */
  #fact(event) {
    const { operation, cursor, type } = event;
    const held = this.snapshots.get(operation);
    const isLater = held !== undefined && compare(cursor, held.cursor) > 0;
    if (isLater) this.snapshots.set(operation, fold(held, event));
    if (type === "progress") return isLater;
    const newest = this.#newest.get(operation);
    if (newest !== undefined && compare(cursor, newest) <= 0) return false; // it came before
    this.#newest.set(operation, cursor);
    return true;
  }
}

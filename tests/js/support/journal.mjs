// @ts-check
/** One operation of the fake server: its present, and its past. */

const ENDED = ["succeeded", "failed", "cancelled", "lost"];

const NOTHING = {
  completed: null,
  total: null,
  unit: null,
  fraction: null,
  message: null,
  rate: null,
  eta: null,
  elapsed: null,
  position: null,
};

export class Journal {
  /** What is kept of its past. @type {any[]} */
  past = [];
  /** What is not kept any more. @type {any[]} */
  trimmed = [];

  /**
   * @param {import("./server.mjs").FakeServer} server
   * @param {{id: string, kind: string, labels: Record<string, string>, params: any}} given
   */
  constructor(server, { id, kind, labels, params }) {
    this.server = server;
    this.id = id;
    /** @type {any} */
    this.snapshot = {
      ...{ id, kind, state: "queued", progress: { ...NOTHING, position: 1 }, steps: [], params, labels },
      ...{ result: null, error: null, created_at: server.time, started_at: null, updated_at: server.time },
      ...{ finished_at: null, cursor: server.head },
    };
    this.state("queued");
    this.born = server.n;
  }

  get ended() {
    return ENDED.includes(this.snapshot.state);
  }

  get newest() {
    return Number(this.snapshot.cursor.split("-")[1]);
  }

  /** As in the answers of HTTP. */
  get linked() {
    const { id, cursor } = this.snapshot;
    const self = `/progress/operations/${id}`;
    return {
      ...this.snapshot,
      links: { self, events: `${self}/events?after=${cursor}`, cancel: `${self}/cancel` },
    };
  }

  /**
   * @param {string} state
   * @param {{result?: any, error?: any}} [more]
   */
  state(state, more = {}) {
    const event = this.#event("state", { state, ...more });
    const { progress, started_at } = this.snapshot;
    this.#publish(event, {
      ...{
        state,
        ...more,
        progress: { ...progress, position: state === "queued" ? progress.position : null },
      },
      ...{ started_at: state === "running" ? event.time : started_at },
      ...{ finished_at: ENDED.includes(state) ? event.time : null },
    });
    return event;
  }

  /** @param {string} message */
  log(message) {
    return this.#publish(this.#event("log", { level: "info", message, step: null }));
  }

  /** @param {any} data */
  output(data) {
    return this.#publish(this.#event("output", { data }));
  }

  /** @param {number | null} fraction @param {any} [step] */
  progress(fraction, step = null) {
    const progress = { ...this.snapshot.progress, fraction };
    const steps = this.snapshot.steps.filter((/** @type {any} */ { id }) => id !== step?.id);
    if (step) steps.push(step);
    return this.#publish(this.#event("progress", { progress, step }), { progress, steps });
  }

  /** @param {any} [result] */
  succeed(result = null) {
    return this.state("succeeded", { result });
  }

  /** Keep only the last of its past. @param {number} count */
  trim(count) {
    this.trimmed.push(...this.past.splice(0, this.past.length - count));
  }

  /**
   * As the server's filters: values of one name are alternatives, labels have to hold all.
   * @param {{operation?: string | string[], kind?: string[], label?: string[]}} want
   */
  matches({ operation, kind, label }) {
    const { labels } = this.snapshot;
    return (
      (!operation?.length || [operation].flat().includes(this.id)) &&
      (!kind?.length || kind.includes(this.snapshot.kind)) &&
      (label ?? []).every((pair) => labels[pair.split(":")[0]] === pair.slice(pair.indexOf(":") + 1))
    );
  }

  /** @param {string} type @param {any} fields */
  #event(type, fields) {
    this.server.n++;
    return { type, cursor: this.server.head, operation: this.id, time: this.server.time, ...fields };
  }

  /** @param {any} event @param {any} [changes] */
  #publish(event, changes = {}) {
    this.snapshot = { ...this.snapshot, updated_at: event.time, cursor: event.cursor, ...changes };
    if (event.type !== "progress") this.past.push(event);
    this.server.publish(event, this);
    return event;
  }
}

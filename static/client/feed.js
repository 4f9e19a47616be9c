// @ts-check
/** One connection for any number of watchers, with one cursor over all transports. */

import { Backoff, CLOCK, isPassing, sleep, unlessAborted } from "./backoff.js";
import { compare, hasEnded } from "./fold.js";
import { ProgressError } from "./http.js";
import { poll, Refused, sse, ws } from "./transports.js";
import { covers, wanted } from "./wants.js";

/**
 * @typedef {import("./index.js").Message} Message
 * @typedef {import("./index.js").ConnectionStatus} Status
 * @typedef {import("./wants.js").Want} Want
 *
 * @typedef {{want: Want, sink: Sink, batch: Message[]}} Watcher
 * @typedef {object} Sink where a watcher's messages go
 * @property {(messages: Message[]) => void} messages
 * @property {(error: any) => void} gone nothing more comes of it
 *
 * @typedef {"visible" | "hidden" | "wake"} PageEvent what a page tells; `wake`: it was away
 */

/** Milliseconds for a transport's first byte. */
const FIRST_BYTE = 4_000;
/** Milliseconds after which a connection was a good one. */
const STABLE = 10_000;
/** Milliseconds in which what is watched is gathered, before a connection is made anew for it. */
const GATHER = 20;
/** Milliseconds between two looks at whether the stream is alive. */
const LOOK = 5_000;

const TRANSPORTS = { sse, ws, poll };
/** Why an attempt is given up. */
const RESTART = Symbol("once more, at once");
const STOP = Symbol("nothing is watched");

/** @type {Status} */
export const IDLE = { state: "idle", transport: null, retryAt: null, heardAt: null, error: null };

export class Feed {
  status = IDLE;
  /** @type {Set<Watcher>} */
  #watchers = new Set();
  /** @type {Map<string, import("./index.js").Snapshot>} those that have been introduced */
  #known = new Map();
  #cursor = "0-0";
  /** @type {readonly Want[]} what the attempt is for */
  #wants = [];
  #attempt = new AbortController();
  #nap = new AbortController();
  #running = false;
  #isOpen = false;
  #isCaughtUp = false;
  #began = 0;
  #winner = 0;
  #http;
  #clock;
  #backoff;
  #order;
  #silence;
  #WebSocket;
  #onstatus;

  /**
   * @param {import("./http.js").Http} http
   * @param {import("./index.js").ClientOptions} options
   * @param {(status: Status) => void} onstatus
   * @param {import("./index.js").Transport | null} [first] the transport to begin with
   */
  constructor(http, options, onstatus, first) {
    this.#http = http;
    this.#clock = options.clock ?? CLOCK;
    this.#backoff = new Backoff(options.random);
    this.#order = options.transports ?? /** @type {const} */ (["sse", "ws", "poll"]);
    this.#winner = first && this.#order.includes(first) ? this.#order.indexOf(first) : 0;
    this.#silence = options.silence ?? 35_000;
    this.#WebSocket = options.WebSocket ?? globalThis.WebSocket;
    this.#onstatus = onstatus;
  }

  /**
   * Bring what matches, from that cursor on. Some may come twice.
   * @param {Want} want
   * @param {string} cursor
   * @param {Sink} sink
   * @returns {() => void} its undo
   */
  watch(want, cursor, sink) {
    const watcher = { want, sink, batch: [] };
    const order = compare(cursor, this.#cursor);
    // Of two histories the older is foreign to the server, and so says what has become of it.
    const isBehind = Number.isNaN(order) ? cursor < this.#cursor : order < 0;
    if (isBehind || !this.#watchers.size) this.#cursor = cursor;
    this.#watchers.add(watcher);
    if (!this.#running) void this.#run();
    else if (isBehind || !this.#isCaughtUp || !this.#wants.some((open) => covers(open, want))) this.#attempt.abort(RESTART);
    return () => this.#drop(watcher);
  }

  /** @param {PageEvent} event */
  page(event) {
    if (event === "hidden") {
      this.#backoff.hidden = true;
      return;
    }
    this.#backoff.hidden = false;
    this.#nap.abort(RESTART);
    // What was away may have lost its connection without having been told. Eight tabs say so at once.
    const isYoung = !this.#isOpen && this.#clock.now() - this.#began < 1_000;
    if (event === "wake" && !isYoung) this.#attempt.abort(RESTART);
  }

  close() {
    this.#watchers.clear();
    this.#attempt.abort(STOP);
    this.#nap.abort(STOP);
  }

  /** @param {Watcher} watcher */
  #drop(watcher) {
    this.#watchers.delete(watcher);
    if (!this.#watchers.size) this.close();
  }

  async #run() {
    this.#running = true;
    let refusals = 0;
    while (this.#watchers.size) {
      const name = this.#order[(this.#winner + refusals) % this.#order.length];
      const error = await this.#try(name);
      if (this.#isOpen) {
        // Who polls tries the better ones again, now and then.
        this.#winner = name === "poll" && !error ? 0 : this.#order.indexOf(name);
        refusals = 0;
      }
      if (error === RESTART) await this.#sleep(GATHER);
      if (error === RESTART || error === STOP) continue;
      const isRefused = error instanceof Refused || (!this.#isOpen && error && !isPassing(error));
      if (isRefused && error.status !== 401 && ++refusals < this.#order.length) continue;
      if (isRefused && /^40[13]$/.test(error.status)) return this.#stop(error);
      refusals = 0;
      await this.#wait(error);
    }
    this.#running = false;
    this.#tell(IDLE);
  }

  /**
   * Use a transport for as long as it lasts.
   * @param {import("./index.js").Transport} transport
   */
  async #try(transport) {
    const clock = this.#clock;
    const attempt = (this.#attempt = new AbortController());
    const { signal } = attempt;
    let heardAt = (this.#began = clock.now());
    this.#isOpen = this.#isCaughtUp = false;
    const wants = [...this.#watchers].map(({ want }) => want);
    this.#wants = [...new Map(wants.map((want) => [JSON.stringify(want), want])).values()];
    /** @type {unknown} */
    let timer = clock.setTimeout(
      () => attempt.abort(new Refused(`nothing came over ${transport} in ${FIRST_BYTE / 1_000} s`)),
      FIRST_BYTE,
    );
    if (/^(idle|stopped)$/.test(this.status.state)) this.#tell({ ...IDLE, state: "connecting", transport });

    // Timers of a page that is frozen stand still: what it did not hear is not silence.
    const look = () => {
      const due = clock.now() + LOOK;
      timer = clock.setTimeout(() => {
        const late = clock.now() - due;
        if (late > 1_000) heardAt += late;
        if (clock.now() - heardAt > this.#silence) attempt.abort(new Error("the stream fell silent"));
        else look();
      }, LOOK);
    };
    const heard = () => {
      if (signal.aborted) return;
      heardAt = clock.now();
      if (!this.#isOpen) {
        clock.clearTimeout(timer);
        look();
      } else if (heardAt - (this.status.heardAt ?? 0) < 1_000) return;
      this.#isOpen = true;
      const state = transport === "poll" ? "polling" : "live";
      this.#tell({ state, transport, retryAt: null, heardAt, error: null });
    };

    /** @type {any} */
    let error;
    const feed = this;
    try {
      const link = {
        http: this.#http,
        WebSocket: this.#WebSocket,
        wants: this.#wants,
        signal,
        heard,
        get cursor() {
          return feed.#cursor;
        },
        set cursor(cursor) {
          if (!signal.aborted) feed.#cursor = cursor;
        },
        retry: (/** @type {number} */ ms) => void (this.#backoff.retry = ms),
        message: (/** @type {Message} */ message) => void (signal.aborted || this.#deliver(message)),
        gone: (/** @type {Want} */ want, /** @type {import("./index.js").Problem} */ problem) =>
          this.#gone(want, new ProgressError(problem.status ?? 404, problem)),
        sleep: (/** @type {number} */ ms) => sleep(clock, ms, signal),
        now: () => clock.now(),
      };
      const isOver = await unlessAborted(TRANSPORTS[transport](link), signal);
      if (isOver) this.#wants.forEach((want) => want.operation && this.#gone(want, null));
    } catch (thrown) {
      error = signal.aborted ? signal.reason : thrown;
      const [want, ...others] = this.#wants;
      if (/^(404|410)$/.test(error?.status) && want.operation && !others.length) this.#gone(want, error);
    }
    clock.clearTimeout(timer);
    if (this.#isOpen && clock.now() - this.#began >= STABLE) this.#backoff.reset();
    return error;
  }

  /** @param {any} error they will not let us in */
  #stop(error) {
    for (const watcher of [...this.#watchers]) this.#lose(watcher, error);
    this.#running = false;
    this.#tell({ ...IDLE, state: "stopped", error });
  }

  /** @param {any} error */
  async #wait(error) {
    if (!this.#watchers.size) return;
    const ms = this.#backoff.next(error);
    this.#tell({ ...this.status, state: "waiting", retryAt: this.#clock.now() + ms, error: error ?? null });
    await this.#sleep(ms);
  }

  /** @param {number} ms unless it is woken */
  async #sleep(ms) {
    this.#nap = new AbortController();
    await sleep(this.#clock, ms, this.#nap.signal).catch(() => {});
  }

  /** @param {Message} message */
  #deliver(message) {
    const known = this.#known;
    if (message.type === "ping") this.#isCaughtUp = true;
    if (message.type === "gap" && message.reason !== "trimmed") known.clear();
    if (message.type === "snapshot") known.set(message.operation, message.snapshot);
    for (const watcher of this.#watchers) {
      if (!wanted(watcher.want, message, known)) continue;
      if (!watcher.batch.length) queueMicrotask(() => flush(watcher));
      watcher.batch.push(message);
      // Nothing comes after this, so it is not asked for again.
      if (isLast(message) && watcher.want.operation) this.#drop(watcher);
    }
    if (isLast(message)) known.delete(message.operation);
  }

  /**
   * @param {Want} want
   * @param {ProgressError | null} error null: it has ended
   */
  #gone(want, error) {
    for (const watcher of [...this.#watchers]) {
      if (watcher.want.operation === want.operation) this.#lose(watcher, error);
    }
  }

  /**
   * @param {Watcher} watcher
   * @param {any} error
   */
  #lose(watcher, error) {
    flush(watcher);
    this.#drop(watcher);
    watcher.sink.gone(error);
  }

  /** @param {Status} status */
  #tell(status) {
    this.status = status;
    this.#onstatus(status);
  }
}

/**
 * @param {Message} message
 * @returns {message is import("./index.js").StateMessage}
 */
const isLast = (message) => message.type === "state" && hasEnded(message.state);

/** @param {Watcher} watcher */
function flush(watcher) {
  const { batch } = watcher;
  watcher.batch = [];
  if (batch.length) watcher.sink.messages(batch);
}

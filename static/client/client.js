// @ts-check

import { Backoff, CLOCK, isPassing, sleep, unlessAborted } from "./backoff.js";
import { Feed, IDLE } from "./feed.js";
import { Callbacks } from "./following.js";
import { Http } from "./http.js";
import { Operation } from "./operation.js";
import { Operations } from "./operations.js";
import { read, Refused } from "./transports.js";

/**
 * @typedef {import("./index.js").ProgressClient} Face
 * @typedef {import("./index.js").Message} Message
 * @typedef {import("./index.js").ConnectionStatus} Status
 */

const GOING = "&state=queued&state=running&state=cancelling&limit=500";

/** Milliseconds of silence after which a request is made again. */
const PATIENCE = 30_000;

/** @param {string | readonly string[] | undefined} values @returns {string[]} */
const list = (values = []) => [values].flat();

/** @implements {Face} */
export class ProgressClient {
  #options;
  #clock;
  #http;
  #base;
  /** @type {Promise<import("./shared.js").FeedFace> | undefined} */
  #feed;
  #callbacks = new Callbacks();
  /** What only a page has and needs: it is not loaded elsewhere. */
  #page = globalThis.document ? import("./page.js").catch(() => null) : null;
  #woken = new AbortController();
  #closing = new AbortController();
  /** @type {Set<Operation | Operations>} */
  #followed = new Set();

  /**
   * @param {string | URL} [base]
   * @param {import("./index.js").ClientOptions} [options]
   */
  constructor(base = "/", options = {}) {
    const here = globalThis.document?.baseURI;
    const url = new URL(base, here);
    if (!url.pathname.endsWith("/")) url.pathname += "/";
    this.#base = url.href;
    this.#options = options;
    this.#clock = options.clock ?? CLOCK;
    const { token, fetch } = options;
    const keep = async (/** @type {any} */ token) => (await this.#page)?.keepToken(this.#base, token);
    this.#http = new Http(this.#base, token && (async () => token()), fetch, keep);
    void this.#page?.then((page) => page?.watchPage((event) => this.#woke(event), this.#closing.signal));
  }

  /** @type {import("./index.js").Store<Status>} */
  connection = { snapshot: IDLE, subscribe: (callback) => this.#callbacks.add(callback) };

  /**
   * @param {string} kind
   * @param {unknown} [params]
   * @param {import("./index.js").StartOptions} [options]
   */
  async start(kind, params = {}, { labels = {}, signal } = {}) {
    const key = [Date.now(), Math.random(), Math.random()].map((n) => n.toString(36).slice(-11)).join(".");
    const init = {
      method: "POST",
      body: JSON.stringify({ kind, params, labels }),
      headers: { "Content-Type": "application/json", "Idempotency-Key": `"${key}"` },
    };
    const response = await this.#patiently((signal) => this.#http.request("operations", { ...init, signal }), signal);
    const { links, ...snapshot } = await response.json();
    const operation = new Operation(snapshot.id, this.#http);
    operation.messages([{ type: "snapshot", operation: snapshot.id, snapshot }]);
    void this.#follow(operation, { operation: operation.id }, async () => snapshot.cursor);
    return operation;
  }

  /**
   * @param {string} id
   * @param {{signal?: AbortSignal}} [options]
   */
  watch(id, { signal } = {}) {
    const operation = new Operation(id, this.#http);
    const want = { operation: id };
    const catchUp = async (/** @type {AbortSignal} */ signal, /** @type {() => void} */ heard) => {
      /** @type {Message[]} */
      const messages = []; // taken all at once: what breaks off is asked for again, all of it
      const link = {
        http: this.#http,
        wants: [want],
        cursor: "0-0",
        signal,
        heard,
        retry() {},
        message: (/** @type {Message} */ message) => void messages.push(message),
        gone() {},
        sleep: async () => {},
        now: () => 0,
      };
      try {
        await read(link, 0);
      } catch (error) {
        if (!(error instanceof Refused) && /** @type {any} */ (error).status !== 406) throw error;
        return "0-0"; // no stream gets through here, but something else may
      }
      if (!messages.some(({ type }) => type === "ping")) throw new Error("the connection broke off");
      operation.messages(messages);
      return link.cursor;
    };
    void this.#follow(operation, want, catchUp, signal);
    return operation;
  }

  /**
   * @param {import("./index.js").Filter} [filter]
   * @param {{signal?: AbortSignal}} [options]
   */
  watchAll({ kind, label, state } = {}, { signal } = {}) {
    const want = { kind: list(kind), label: list(label), types: ["progress"] };
    const states = list(state);
    const query = new URLSearchParams();
    for (const [name, values] of Object.entries({ kind: want.kind, label: want.label })) {
      for (const value of values) query.append(name, value);
    }
    const operations = new Operations(states, this.#http);
    const catchUp = async (/** @type {AbortSignal} */ signal) => {
      // What goes on may come into one of these states.
      const others = states.length && (await operations.load(`operations?${query}${GOING}`, signal));
      for (const state of states) query.append("state", state);
      const cursor = await operations.load(`operations?${query}`, signal);
      return others || cursor;
    };
    void this.#follow(operations, want, catchUp, signal);
    return operations;
  }

  /** @returns {Promise<import("./index.js").Kind[]>} */
  async kinds() {
    const response = await this.#http.request("kinds");
    return (await response.json()).kinds;
  }

  close() {
    this.#closing.abort();
    for (const following of this.#followed) following.close();
    void this.#feed?.then((feed) => feed.close());
    this.#feed = undefined;
    this.#tell(IDLE);
  }

  /**
   * Catch up by one request, and then follow.
   * @param {Operation | Operations} following
   * @param {import("./wants.js").Want} want
   * @param {(signal: AbortSignal, heard: () => void) => Promise<string>} catchUp
   * @param {AbortSignal} [signal]
   */
  async #follow(following, want, catchUp, signal) {
    const close = () => following.close();
    if (signal?.aborted || this.#closing.signal.aborted) close();
    signal?.addEventListener("abort", close, { signal: following.left });
    this.#followed.add(following);
    following.left.addEventListener("abort", () => this.#followed.delete(following));
    try {
      const cursor = await this.#patiently(catchUp, following.left);
      if (following.isClosed) return;
      const feed = await this.#patiently(() => (this.#feed ??= this.#connect()), following.left);
      if (following.isClosed) return;
      const undo = feed.watch(want, cursor, following);
      following.left.addEventListener("abort", undo, { once: true });
    } catch (error) {
      following.gone(/** @type {Error} */ (error));
    }
  }

  /** @param {import("./feed.js").PageEvent} event */
  #woke(event) {
    if (event !== "hidden") this.#woken.abort();
    this.#woken = new AbortController();
    void this.#feed?.then((feed) => feed.page(event));
  }

  async #connect() {
    const { shared = true, fetch } = this.#options;
    const page = await this.#page;
    const onstatus = (/** @type {Status} */ status) => {
      if (/^(live|polling)$/.test(status.state)) page?.remember(this.#base, status.transport);
      this.#tell(status);
    };
    const args = /** @type {const} */ ([this.#http, this.#options, onstatus, page?.recall(this.#base)]);
    try {
      // What was injected here cannot be sent to a worker.
      return (shared && !fetch && (await page?.join(...args))) || new Feed(...args);
    } catch (error) {
      this.#feed = undefined; // a token that could not be had may be had later
      throw error;
    }
  }

  /**
   * Try again for as long as it is the network, or the server for now.
   * @template T
   * @param {(signal: AbortSignal, heard: () => void) => Promise<T>} request
   * @param {AbortSignal} [signal]
   * @returns {Promise<T>}
   */
  async #patiently(request, signal = this.#closing.signal) {
    const backoff = new Backoff(this.#options.random);
    const clock = this.#clock;
    try {
      for (;;) {
        try {
          return await this.#try(request, signal);
        } catch (error) {
          signal.throwIfAborted();
          if (!isPassing(error)) throw error;
          const ms = backoff.next(error);
          if (!this.#feed) {
            this.#tell({ ...IDLE, state: "waiting", retryAt: clock.now() + ms, error: /** @type {Error} */ (error) });
          }
          await sleep(clock, ms, AbortSignal.any([signal, this.#woken.signal])).catch(() => signal.throwIfAborted());
        }
      }
    } finally {
      if (!this.#feed) this.#tell(IDLE);
    }
  }

  /**
   * Ask once, but not for ever.
   * @template T
   * @param {(signal: AbortSignal, heard: () => void) => Promise<T>} request
   * @param {AbortSignal} signal
   */
  async #try(request, signal) {
    const clock = this.#clock;
    const attempt = new AbortController();
    const wait = () => clock.setTimeout(() => attempt.abort(new Error("no answer came")), PATIENCE);
    let timer = wait();
    const heard = () => {
      clock.clearTimeout(timer);
      timer = wait();
    };
    try {
      const either = AbortSignal.any([signal, attempt.signal]);
      return await unlessAborted(request(either, heard), either);
    } finally {
      clock.clearTimeout(timer);
    }
  }

  /** @param {Status} status */
  #tell(status) {
    if (status === this.connection.snapshot) return;
    Object.assign(this.connection, { snapshot: status });
    this.#callbacks.call();
  }
}

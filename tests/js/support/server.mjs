// @ts-check
/**
 * A progress server in memory (ARCHITECTURE.md, sections 4 and 7), for `fetch` and `WebSocket`.
 * It runs nothing: tests report, cut, and refuse. It has no timers but those of long polls.
 */

import { Journal } from "./journal.mjs";
import { socketClass } from "./sockets.mjs";
import { problem, Stream } from "./streams.mjs";

export const BASE = "http://server.test/progress/";
const EPOCH = 1766150400123456;

/**
 * @typedef {object} Seen a request, as the server got it
 * @property {string} route its method and path: `GET operations/1/events`
 * @property {URLSearchParams} query
 * @property {Headers} headers
 * @property {any} body
 * @property {string | undefined} cache
 * @property {number} at by the clock
 * @property {AbortSignal | undefined} signal
 *
 * @typedef {object} Connection a stream or a WebSocket
 * @property {string} wire
 * @property {(news: {message: any, journal?: Journal}) => void} tell
 * @property {() => void} cut
 * @property {(bye?: any) => void} finish
 *
 * @typedef {(request: Seen) => Response | "hang" | "fail" | undefined | void} Gate
 *   what stands before the server: an answer of its own, none at all, or undefined to let it pass
 */

export class FakeServer {
  /** @type {Seen[]} */
  requests = [];
  /** @type {Gate} */
  gate = () => undefined;
  /** What becomes of WebSockets. @type {"open" | "refuse" | "hang"} */
  sockets = "open";
  /** What a call on a WebSocket is answered instead. @type {(call: any) => any} */
  answerCall = () => undefined;
  /** What streams say about coming back; null: nothing. @type {number | null} */
  retry = null;
  /** Operations on a page of the list. */
  limit = 50;
  /** Bytes in a piece of a stream. */
  slice = Infinity;
  epoch = EPOCH;
  n = 0;
  /** @type {Map<string, Journal>} */
  journals = new Map();
  /** Connections that are open. @type {Set<Connection>} */
  open = new Set();
  /** @type {Map<string, any>} */
  #started = new Map();
  #last = 0;

  /** @param {import("./clock.mjs").FakeClock} clock */
  constructor(clock) {
    this.clock = clock;
    this.WebSocket = socketClass(this);
  }

  get head() {
    return `${this.epoch}-${this.n}`;
  }

  get time() {
    return new Date(this.clock.now()).toISOString();
  }

  /** The requests of one route, e.g. `POST operations`. @param {string} route */
  to(route) {
    return this.requests.filter((request) => request.route === route);
  }

  /** Requests for streams that do not end, SSE and WebSocket. */
  get streams() {
    return this.requests.filter(({ route, headers }) => /(events|ws)$/.test(route) && !headers.has("prefer"));
  }

  /**
   * An operation that runs.
   * @param {{id?: string, kind?: string, labels?: Record<string, string>, params?: any}} [given]
   */
  add({ id = `operation-${++this.#last}`, kind = "copy", labels = {}, params = {} } = {}) {
    const journal = new Journal(this, { id, kind, labels, params });
    this.journals.set(id, journal);
    journal.state("running");
    return journal;
  }

  /** Tell all that listen. @param {any} message @param {Journal} journal */
  publish(message, journal) {
    for (const connection of this.open) connection.tell({ message, journal });
  }

  /** The bookmark after silence. */
  beat() {
    for (const connection of this.open) connection.tell({ message: { type: "ping", cursor: this.head } });
  }

  /** Break all connections. */
  cut() {
    for (const connection of [...this.open]) connection.cut();
  }

  /** End all connections in order. @param {any} bye */
  drain(bye = { type: "bye", reason: "drain", reconnect: true }) {
    for (const connection of [...this.open]) connection.finish(bye);
  }

  /** Another process: it knows nothing of before. */
  restart() {
    this.cut();
    this.epoch += 1_000_000;
    this.n = 0;
    this.journals.clear();
  }

  /** @type {typeof fetch} */
  fetch = async (input, init = {}) => {
    const url = new URL(String(input));
    const signal = init.signal ?? undefined;
    signal?.throwIfAborted();
    const method = init.method ?? "GET";
    const request = {
      route: `${method} ${url.href.split("?")[0].replace(BASE, "")}`,
      query: url.searchParams,
      headers: new Headers(init.headers),
      body: init.body && JSON.parse(String(init.body)),
      cache: init.cache,
      at: this.clock.now(),
      signal,
    };
    this.requests.push(request);
    const given = this.gate(request);
    if (given === "hang") {
      return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    }
    if (given === "fail") throw new TypeError("fetch failed");
    await Promise.resolve();
    signal?.throwIfAborted();
    return given ?? this.#answer(request);
  };

  /** @param {Seen} request */
  #answer(request) {
    const { route, body } = request;
    const [, id, action] = /^\w+ operations\/([^/]+)(?:\/(\w+))?$/.exec(route) ?? [];
    const journal = this.journals.get(decodeURIComponent(id ?? ""));
    if (id && !journal) return problem(404, "not-found", `there is no operation ${id}`);
    if (route === "POST operations") return this.#start(request);
    if (route === "GET operations") return this.#list(request);
    if (route === "GET kinds") {
      return Response.json({ kinds: [{ kind: "copy", description: null, params: { type: "object" } }] });
    }
    if (route === "GET events") return new Stream(this, request).response;
    if (journal && action === "events") return new Stream(this, request, journal).response;
    if (journal && action === "cancel" && body === undefined) {
      if (journal.ended) return problem(409, "ended", "it has ended");
      journal.state("cancelling");
      return Response.json(journal.linked, { status: 202 });
    }
    return problem(404, "not-found", `there is no ${route}`);
  }

  /** @param {Seen} request */
  #start({ headers, body }) {
    const key = headers.get("idempotency-key");
    const again = key && this.#started.get(key);
    if (again) return Response.json(again, { status: 202 });
    const { linked } = this.add(body);
    if (key) this.#started.set(key, linked);
    return Response.json(linked, { status: 202, headers: { Location: linked.links.self } });
  }

  /** @param {Seen} request */
  #list({ query }) {
    const [kinds, labels, states] = ["kind", "label", "state"].map((name) => query.getAll(name));
    const before = Number(query.get("page")?.split("-")[1] ?? Infinity);
    const found = [...this.journals.values()]
      .filter((journal) => journal.matches({ kind: kinds, label: labels }))
      .filter(({ snapshot }) => !states.length || states.includes(snapshot.state))
      .filter(({ born }) => born < before)
      .sort((a, b) => b.born - a.born);
    const page = found.slice(0, this.limit);
    const rest = new URLSearchParams(query);
    rest.set("page", `${this.epoch}-${page.at(-1)?.born}`);
    return Response.json({
      operations: page.map(({ linked }) => linked),
      next: found.length > page.length ? `/progress/operations?${rest}` : null,
      cursor: this.head,
    });
  }
}

// @ts-check
/** The fake server's WebSocket: JSON-RPC 2.0, one position, any number of subscriptions. */

import { catchUp } from "./streams.mjs";

/** @param {import("./server.mjs").FakeServer} server */
export const socketClass = (server) =>
  class extends EventTarget {
    wire = "ws";
    readyState = 0;
    /** @type {((event: any) => void) | null} */
    onopen = null;
    /** @type {((event: any) => void) | null} */
    onmessage = null;
    /** @type {((event: any) => void) | null} */
    onclose = null;
    /** @type {((event: any) => void) | null} */
    onerror = null;
    /** @type {any[]} what was asked, before and after it was open */
    calls = [];
    /** @type {{want: any, done: boolean}[]} */
    #subscriptions = [];
    #known = new Set();

    /** @param {string | URL} url @param {string} protocol */
    constructor(url, protocol) {
      super();
      this.url = String(url);
      this.protocol = protocol;
      const at = server.clock.now();
      const route = `GET ${this.url.replace("ws://server.test/progress/", "").split("?")[0]}`;
      const none = {
        query: new URLSearchParams(),
        headers: new Headers(),
        body: undefined,
        cache: undefined,
        signal: undefined,
      };
      server.requests.push({ route, at, ...none });
      if (server.sockets === "hang") return;
      queueMicrotask(() => (server.sockets === "open" ? this.#open() : this.#shut(1006)));
    }

    #open() {
      if (this.readyState) return;
      this.readyState = 1;
      server.open.add(this);
      this.#fire("open");
    }

    /** @param {string} text */
    send(text) {
      if (this.readyState === 0) throw new DOMException("it is still connecting", "InvalidStateError");
      const call = JSON.parse(text);
      this.calls.push(call);
      setImmediate(() => this.readyState === 1 && this.#answer(call)); // one after the other
    }

    close() {
      if (this.readyState < 2) this.#shut(1000);
    }

    /** @param {any} call */
    #answer({ id, method, params: { after = null, types, ...want } }) {
      const answer = (/** @type {any} */ fields) => this.#push({ jsonrpc: "2.0", ...fields, id });
      const refusal = server.answerCall({ id, method, params: { ...want, types, after } });
      if (refusal === "silence") return;
      if (refusal) return answer({ error: refusal });
      const journal = server.journals.get(want.operation);
      if (want.operation && !journal) {
        const data = {
          type: "urn:progress:problem:not-found",
          title: "not-found",
          detail: "there is none",
          status: 404,
        };
        return answer({ error: { code: -32000, message: data.detail, data } });
      }
      const among = journal ? [journal] : [...server.journals.values()].filter((one) => one.matches(want));
      const messages = catchUp(server, among, after, { types, opens: Boolean(journal) });
      if (messages.some(([, { reason }]) => reason === "epoch")) {
        // The client forgets what is not shown now: all that the connection has is.
        for (const other of server.journals.values()) {
          if (among.includes(other) || !this.#subscriptions.some((one) => other.matches(one.want))) continue;
          messages.splice(1, 0, [null, { type: "snapshot", operation: other.id, snapshot: other.snapshot }]);
        }
      }
      for (const [, message] of messages) this.#event(message);
      if (!journal?.ended) this.#subscriptions.push({ want: { ...want, types }, done: false });
      answer({ result: { subscription: String(id), cursor: server.head } });
    }

    /** @param {{message: any, journal?: import("./journal.mjs").Journal}} news */
    tell({ message, journal }) {
      if (!journal) return this.#event(message);
      const those = this.#subscriptions.filter(({ want, done }) => !done && journal.matches(want));
      const isWanted = those.some(
        ({ want: { types } }) => !types?.length || [...types, "state"].includes(message.type),
      );
      if (!isWanted) return;
      if (!this.#known.has(journal.id))
        this.#event({ type: "snapshot", operation: journal.id, snapshot: journal.snapshot });
      this.#event(message);
      if (!journal.ended) return;
      for (const subscription of those) subscription.done ||= Boolean(subscription.want.operation);
      this.#event({ type: "ping", cursor: server.head });
    }

    /** @param {any} message */
    #event(message) {
      if (message.type === "snapshot") this.#known.add(message.operation);
      this.#push({ jsonrpc: "2.0", method: "event", params: message });
    }

    /** @param {any} bye */
    finish(bye) {
      this.#event(bye);
      server.open.delete(this);
      queueMicrotask(() => this.#shut(1001)); // after what was sent before
    }

    cut() {
      this.#shut(1006);
    }

    /** @param {number} code */
    #shut(code) {
      this.readyState = 3;
      server.open.delete(this);
      queueMicrotask(() => {
        if (code === 1006) this.#fire("error");
        this.#fire("close", { code });
      });
    }

    /** @param {any} message */
    #push(message) {
      const data = JSON.stringify(message);
      queueMicrotask(() => this.readyState === 1 && this.#fire("message", { data }));
    }

    /** @param {"open" | "message" | "error" | "close"} type @param {any} [fields] */
    #fire(type, fields = {}) {
      const event = Object.assign(new Event(type), fields);
      this[/** @type {"onopen"} */ (`on${type}`)]?.(event);
      this.dispatchEvent(event);
    }
  };

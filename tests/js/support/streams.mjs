// @ts-check
/** How the fake server shows events: the catch-up, and the answers by SSE. */

const ZERO = "0-0";
const HEADERS = {
  "Content-Type": "text/event-stream; charset=utf-8",
  "Cache-Control": "no-store, no-transform",
};

/**
 * RFC 9457.
 * @param {number} status
 * @param {string} slug
 * @param {string} detail
 * @param {Record<string, string>} [headers]
 */
export const problem = (status, slug, detail, headers = {}) =>
  new Response(JSON.stringify({ type: `urn:progress:problem:${slug}`, title: slug, detail, status }), {
    status,
    headers: { "Content-Type": "application/problem+json", ...headers },
  });

/**
 * A stream that comes through up to there, and then the network is gone; or it just ends.
 * @param {string} text
 * @param {"broken" | "ended"} [how]
 */
export function cutAfter(text, how = "broken") {
  let isOut = false;
  const body = new ReadableStream({
    pull(controller) {
      if (isOut) return how === "broken" ? controller.error(new TypeError("terminated")) : controller.close();
      controller.enqueue(new TextEncoder().encode(text));
      isOut = true;
    },
  });
  return new Response(body, { headers: HEADERS });
}

/** @param {string} cursor */
const place = (cursor) => Number(cursor.split("-")[1]);

/**
 * What a reader gets that is behind: `[id, message]`, in order, with a bookmark at the end.
 * @param {import("./server.mjs").FakeServer} server
 * @param {import("./journal.mjs").Journal[]} journals
 * @param {string | null} after
 * @param {{types?: string[], opens?: boolean}} options `opens`: with the snapshot of its one operation
 * @returns {[string | null, any][]}
 */
export function catchUp(server, journals, after, { types, opens = false }) {
  const isForeign =
    after && after !== ZERO && !(after.startsWith(`${server.epoch}-`) && place(after) <= server.n);
  const position = !after || isForeign ? 0 : place(after);
  const floor = after ? position : server.n;
  /** @type {[string | null, any][]} */
  const messages = [];
  if (isForeign) {
    messages.push([`${server.epoch}-0`, { type: "gap", operation: null, reason: "epoch", missed: null }]);
  } else {
    const missed = { state: 0, log: 0, output: 0 };
    const lost = journals.flatMap((journal) => journal.trimmed).filter(({ cursor }) => place(cursor) > floor);
    for (const { type } of lost) missed[/** @type {"log"} */ (type)]++;
    const operation = new Set(lost.map((event) => event.operation)).size === 1 ? lost[0].operation : null;
    if (lost.length) messages.push([null, { type: "gap", operation, reason: "trimmed", missed }]);
  }
  /** @type {[number, string | null, any][]} */
  const places = [];
  for (const { id, snapshot, newest, past } of journals) {
    const shown = { type: "snapshot", operation: id, snapshot };
    if (opens) messages.push([null, shown]);
    else if (newest > position) places.push([newest - 0.5, null, shown]);
    for (const event of past) {
      if (place(event.cursor) <= floor || !isWanted(types, event.type)) continue;
      places.push([place(event.cursor), event.cursor, event]);
    }
  }
  places.sort(([a], [b]) => a - b);
  messages.push(...places.map(([, id, message]) => /** @type {[string | null, any]} */ ([id, message])));
  messages.push([server.head, { type: "ping", cursor: server.head }]);
  // A parser by the letter of the standard starts each connection with an empty last event id.
  if (after) messages[0][0] ??= isForeign ? `${server.epoch}-0` : after;
  return messages;
}

/** @param {string[] | undefined} types @param {string} type */
const isWanted = (types, type) => !types?.length || type === "state" || types.includes(type);

export class Stream {
  wire = "sse";
  /** @type {ReadableStreamDefaultController<Uint8Array> | undefined} */
  #controller;
  #known = new Set();
  #server;
  #journal;
  #types;
  #want;
  /** @type {unknown} */
  #timer;
  #isPoll = false;
  #closed = new AbortController();
  response;

  /**
   * @param {import("./server.mjs").FakeServer} server
   * @param {import("./server.mjs").Seen} request
   * @param {import("./journal.mjs").Journal} [journal] where it is of one
   */
  constructor(server, { query, headers, signal }, journal) {
    this.#server = server;
    this.#journal = journal;
    this.#types = query.getAll("types");
    this.#want = {
      operation: journal ? journal.id : query.getAll("operation"),
      kind: query.getAll("kind"),
      label: query.getAll("label"),
    };
    const last = headers.get("last-event-id");
    const after = last ?? query.get("after");
    const hasSeenAll =
      journal?.ended && last?.startsWith(`${server.epoch}-`) && place(last) >= journal.newest;
    if (hasSeenAll) {
      this.response = new Response(null, { status: 204 });
      return;
    }
    const body = new ReadableStream(
      {
        start: (controller) => {
          this.#controller = controller;
          this.#open(after, /wait=(\d+)/.exec(headers.get("prefer") ?? ""));
        },
        cancel: () => this.#close(),
      },
      { highWaterMark: Infinity },
    );
    signal?.addEventListener("abort", () => this.cut(signal.reason), { signal: this.#closed.signal });
    this.response = new Response(body, { headers: HEADERS });
  }

  /** @param {string | null} after @param {RegExpExecArray | null} wait */
  #open(after, wait) {
    const server = this.#server;
    const { retry, clock, journals } = server;
    if (retry !== null) this.#write(`retry: ${retry}\n\n`);
    const among = this.#journal
      ? [this.#journal]
      : [...journals.values()].filter((one) => one.matches(this.#want));
    const messages = catchUp(server, among, after, { types: this.#types, opens: Boolean(this.#journal) });
    for (const [id, message] of messages) this.#send(message, id);
    server.open.add(this);
    if (this.#journal?.ended) return this.finish({ type: "bye", reason: "complete", reconnect: false });
    if (!wait) return;
    const seconds = Number(wait[1]);
    const isNews = (/** @type {any} */ { type, snapshot }) =>
      type === "snapshot" ? place(snapshot.cursor) > place(after ?? ZERO) : type !== "ping";
    const hasNews = !after || messages.some(([, message]) => isNews(message));
    if (!seconds || hasNews) return this.finish();
    this.#isPoll = true;
    this.#timer = clock.setTimeout(() => {
      this.#send({ type: "ping", cursor: server.head }, server.head);
      this.finish();
    }, seconds * 1_000);
  }

  /** @param {{message: any, journal?: import("./journal.mjs").Journal}} news */
  tell({ message, journal }) {
    if (!journal) return this.#send(message, message.cursor);
    if (this.#journal ? journal !== this.#journal : !journal.matches(this.#want)) return;
    if (!isWanted(this.#types, message.type)) return;
    if (!this.#known.has(journal.id))
      this.#send({ type: "snapshot", operation: journal.id, snapshot: journal.snapshot });
    this.#send(message, message.cursor);
    if (this.#journal?.ended) {
      this.#send({ type: "ping", cursor: this.#server.head }, this.#server.head);
      this.finish({ type: "bye", reason: "complete", reconnect: false });
    } else if (this.#isPoll) this.finish();
  }

  /** @param {any} [bye] */
  finish(bye) {
    if (bye) this.#send(bye);
    const controller = this.#controller;
    this.#close();
    controller?.close();
  }

  /** @param {unknown} [reason] */
  cut(reason = new TypeError("terminated")) {
    const controller = this.#controller;
    this.#close();
    controller?.error(reason);
  }

  /** Bytes as they are, whatever they mean. @param {string} text */
  raw(text) {
    this.#write(text);
  }

  #close() {
    this.#controller = undefined;
    this.#closed.abort();
    this.#server.clock.clearTimeout(this.#timer);
    this.#server.open.delete(this);
  }

  /** @param {any} message @param {string | null} [id] */
  #send(message, id) {
    if (message.type === "snapshot") this.#known.add(message.operation);
    this.#write(`${id ? `id: ${id}\n` : ""}event: ${message.type}\ndata: ${JSON.stringify(message)}\n\n`);
  }

  /** @param {string} text */
  #write(text) {
    const bytes = new TextEncoder().encode(text);
    const size = Math.min(this.#server.slice, bytes.length);
    for (let start = 0; start < bytes.length; start += size)
      this.#controller?.enqueue(bytes.slice(start, start + size));
  }
}

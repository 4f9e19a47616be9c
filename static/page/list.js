// @ts-check
/** All operations that match the filters, newest first, as they happen. */

import { attribute, frame, h, icon, text } from "./dom.js";
import { filters } from "./filters.js";
import { Notice } from "./notice.js";
import { Row } from "./row.js";
import { showProgress } from "./title.js";

/**
 * @typedef {import("../client/index.js").ProgressClient} Client
 * @typedef {import("../client/index.js").State} State
 * @typedef {import("../client/index.js").OperationMessage} OperationMessage
 * @typedef {(url: string | URL) => void} Navigate
 */

/**
 * Build the list inside `main`.
 * @param {Client} client
 * @param {HTMLElement} main
 * @param {URLSearchParams} query
 * @param {Navigate} navigate
 * @param {number} [top] where it was scrolled to
 * @returns {{undo: () => void, show: (query: URLSearchParams) => void}}
 */
export function list(client, main, query, navigate, top = 0) {
  const view = new List(client, main, query, navigate, top);
  return { undo: () => view.close(), show: (query) => view.show(query) };
}

class List {
  /** @type {Map<string, Row>} in the order of the page */
  #rows = new Map();
  /** @type {WeakMap<Element, Row>} */
  #rowOf = new WeakMap();
  /** @type {Set<string>} what has changed since the last frame */
  #dirty = new Set();
  /** Whether it may be others than those that are shown. */
  #isOther = true;
  #operations;
  #undo = new AbortController();
  #client;
  #top;
  #filters;
  #observer;
  #list = h("ol", { class: "rows card", role: "list", "aria-label": "Operations" });
  #counts = h("p", { class: "quiet-text figures plain" });
  #fresh = h(
    "button",
    { type: "button", class: "fresh", hidden: true },
    icon("follow"),
    h("span", { class: "figures" }),
  );
  #more = h("button", { type: "button", class: "older", hidden: true }, icon("more"), "Load more");
  #notice;
  #toast = h("p", { class: "toast", role: "alert" });

  /**
   * @param {Client} client
   * @param {HTMLElement} main
   * @param {URLSearchParams} query
   * @param {Navigate} navigate
   * @param {number} top
   */
  constructor(client, main, query, navigate, top) {
    this.#client = client;
    this.#top = top;
    this.#filters = filters(client, navigate);
    this.#operations = this.#follow(query);
    this.#notice = new Notice(client, navigate, () => this.show(new URLSearchParams(location.search)));
    const head = h("div", { class: "head" }, h("h1", null, "Operations"), this.#counts);
    const slot = h("div", { class: "slot" }, this.#fresh);
    main.append(head, this.#filters.element, slot, this.#list, this.#notice.element, this.#more, this.#toast);
    this.#observer = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: "200px" });

    const { signal } = this.#undo;
    const look = () => this.#look();
    for (const type of ["pointerleave", "focusout"]) {
      for (const element of [this.#list, this.#fresh]) element.addEventListener(type, look);
    }
    this.#fresh.addEventListener("click", ({ detail }) => this.#showNew(!detail));
    this.#more.addEventListener("click", () => void this.#loadMore());
    signal.addEventListener("abort", client.connection.subscribe(look));
    const timer = setInterval(() => this.#tick(), 1000);
    signal.addEventListener("abort", () => clearInterval(timer));
  }

  /** @param {URLSearchParams} query */
  show(query) {
    this.#operations.close();
    this.#operations = this.#follow(query);
    this.#look();
  }

  /** @param {URLSearchParams} query */
  #follow(query) {
    this.#filters.show(query);
    const filter = {
      state: /** @type {State[]} */ (query.getAll("state")),
      kind: query.getAll("kind"),
      label: query.getAll("label"),
    };
    const operations = this.#client.watchAll(filter);
    operations.subscribe((message) => this.#changed(message));
    return operations;
  }

  close() {
    this.#undo.abort();
    this.#observer.disconnect();
    this.#operations.close();
    this.#rows.clear();
  }

  /**
   * This is called for each event, thousands of times a second.
   * @param {OperationMessage} [message]
   */
  #changed(message) {
    if (message?.operation) this.#dirty.add(message.operation);
    if (message?.type !== "progress") {
      this.#isOther = true;
      const row = message?.operation && this.#rows.get(message.operation);
      if (row) row.isDue = true;
    }
    frame(this.#draw);
  }

  #look() {
    this.#isOther = true;
    frame(this.#draw);
  }

  #draw = () => {
    if (this.#undo.signal.aborted) return;
    const operations = this.#operations;
    for (const id of this.#dirty) {
      const row = this.#rows.get(id);
      const snapshot = row && operations.get(id);
      if (!snapshot || snapshot === row.snapshot) continue;
      // A change of state is written even where it cannot be seen: it is rare, and others look for it.
      const isState = snapshot.state !== row.snapshot.state;
      row.snapshot = snapshot;
      row.isDue = true;
      if (row.isVisible || isState) row.draw(operations.fraction(id));
    }
    this.#dirty.clear();
    if (!this.#isOther) return;
    this.#isOther = false;
    if (operations.loaded) this.#arrange();
    this.#explain();
    this.#tick();
  };

  #isHeld() {
    const isNear = (/** @type {Element} */ element) =>
      element.matches(":hover, :focus-visible, :has(:focus-visible)");
    return isNear(this.#list) || isNear(this.#fresh);
  }

  /** Make the rows those that match, unless somebody is about to press one of them. */
  #arrange(isHeld = this.#isHeld()) {
    const { snapshot: wanted, hasMore } = this.#operations;
    const ids = new Set(wanted.map(({ id }) => id));
    for (const id of isHeld ? [] : this.#rows.keys()) if (!ids.has(id)) this.#remove(id);
    let oldest = "";
    for (const id of this.#rows.keys()) if (!oldest || id < oldest) oldest = id;
    let fresh = 0;
    /** @type {Element | null} */
    let next = null;
    for (const snapshot of wanted.toReversed()) {
      let row = this.#rows.get(snapshot.id);
      if (!row && isHeld && oldest && snapshot.id > oldest) fresh++;
      else row ??= this.#add(snapshot, next);
      next = row?.element ?? next;
    }
    text(/** @type {Node} */ (this.#fresh.lastChild), `${fresh} new`);
    this.#fresh.hidden = !fresh;
    this.#more.hidden = !hasMore;
    if (this.#top) scrollTo(0, this.#top);
    this.#top = 0;
  }

  /** @param {import("../client/index.js").Snapshot} snapshot @param {Element | null} next */
  #add(snapshot, next) {
    const row = new Row(snapshot, (id) => this.#cancel(id));
    this.#rows.set(snapshot.id, row);
    this.#rowOf.set(row.element, row);
    row.draw(this.#operations.fraction(snapshot.id));
    row.drawAge(Date.now());
    this.#list.insertBefore(row.element, next);
    this.#observer.observe(row.element);
    return row;
  }

  /** @param {string} id */
  #remove(id) {
    const { element } = /** @type {Row} */ (this.#rows.get(id));
    this.#observer.unobserve(element);
    element.remove();
    this.#rows.delete(id);
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #seen(entries) {
    const now = Date.now();
    for (const { target, isIntersecting } of entries) {
      const row = this.#rowOf.get(target);
      if (!row) continue;
      row.isVisible = isIntersecting;
      if (!isIntersecting) continue;
      if (row.isDue) row.draw(this.#operations.fraction(row.snapshot.id));
      row.drawAge(now);
    }
  }

  /** What changes with time alone, and what can wait for a second. */
  #tick() {
    const now = Date.now();
    for (const row of this.#rows.values()) if (row.isVisible) row.drawAge(now);
    let running = 0;
    let queued = 0;
    const known = [];
    for (const { id, state } of this.#operations.snapshot) {
      if (state === "queued") queued++;
      if (state !== "running") continue;
      running++;
      const fraction = this.#operations.fraction(id);
      if (fraction !== null) known.push(fraction);
    }
    const counts = [running && `${running} running`, queued && `${queued} queued`].filter(Boolean).join(", ");
    text(this.#counts, counts);
    const share = known.length ? known.reduce((sum, each) => sum + each) / known.length : null;
    showProgress(share, running ? "running" : null, counts ? `${counts} · Progress` : "Progress");
  }

  /** Say why there is nothing, and what to do about it. */
  #explain() {
    const { error, loaded } = this.#operations;
    const { connection } = this.#client;
    const isAway = /^(waiting|stopped)$/.test(connection.snapshot.state);
    const isEmpty = loaded && !this.#rows.size;
    attribute(this.#list, "aria-busy", loaded || error ? null : "true");
    attribute(this.#list, "data-stale", isAway ? "" : null);
    this.#list.hidden = Boolean(error) || isEmpty || (!loaded && isAway);
    this.#notice.element.hidden = !this.#list.hidden;
    if (error || !loaded) this.#more.hidden = this.#fresh.hidden = true;
    if (!this.#list.hidden) return;
    if (error || !loaded) this.#notice.fail(error ?? connection.snapshot.error, Boolean(error));
    else this.#notice.empty();
  }

  /** @param {boolean} byKey */
  #showNew(byKey) {
    this.#arrange(false);
    if (byKey) this.#rowOf.get(/** @type {Element} */ (this.#list.firstElementChild))?.focus();
    scrollTo({ top: 0 });
  }

  async #loadMore() {
    if (this.#more.ariaDisabled === "true") return;
    this.#more.ariaDisabled = "true";
    await this.#operations.more().catch((error) => this.#tell(`They could not be loaded: ${error.message}`));
    this.#more.ariaDisabled = null;
  }

  /** @param {string} id */
  async #cancel(id) {
    const operation = this.#client.watch(id);
    await operation.cancel().catch((error) => this.#tell(`It could not be cancelled: ${error.message}`));
    operation.close();
  }

  /** @param {string} message */
  #tell(message) {
    this.#toast.textContent = message;
    setTimeout(() => this.#toast.textContent === message && (this.#toast.textContent = ""), 8000);
  }
}

// @ts-check
/** One operation, as it happens. */

import { hasEnded } from "../client/index.js";
import { called, STATES, summary } from "../format.js";
import { frame, h, icon, text } from "./dom.js";
import { openForm } from "./form.js";
import { json, seen } from "./json.js";
import { Log } from "./log.js";
import { Clock, Now } from "./now.js";
import { copier, outcome, Outputs, part, tellTime, terminal } from "./outcome.js";
import { Steps } from "./steps.js";
import { showProgress } from "./title.js";

/**
 * @typedef {import("../client/index.js").ProgressClient} Client
 * @typedef {import("../client/index.js").Snapshot} Snapshot
 * @typedef {import("../client/index.js").OperationMessage} OperationMessage
 */

/** Why there is nothing to show, and what to do. */
const REASONS = /** @type {Record<number, [string, string]>} */ ({
  401: ["Not signed in", "Sign in where you came from, and load this page again."],
  403: ["Not for you", "You are not allowed to see this operation. Ask whoever runs this server."],
  404: [
    "No such operation",
    "Is its address complete? Then the server has been restarted since, or it is not yours to see.",
  ],
  410: ["No longer kept", "It ended some time ago, and the server has made room for newer ones."],
});

/**
 * Build the view of one operation inside `main`.
 * @param {Client} client
 * @param {HTMLElement} main
 * @param {string} id
 * @param {(url: string | URL) => void} navigate
 * @returns {() => void} its undo
 */
export function operation(client, main, id, navigate) {
  const view = new View(client, id, navigate);
  main.append(view.element);
  return () => view.close();
}

class View {
  #client;
  #operation;
  /** @type {Snapshot | null} what is drawn */
  #drawn = null;
  /** Whether it shall be cancelled, which it does not know yet. */
  #isAsked = false;
  #isClosed = false;
  #clock = new Clock();
  /** Log lines that came, and what was told to be missing. */
  #lines = 0;
  #missed = { log: 0, output: 0 };
  #tenth = -1;
  #undo;

  #title = h("h1", { class: "said", dir: "auto" }, "Operation");
  #state = h("span", { class: "state" });
  #labels = h("p", { class: "op-labels" });
  #cancel = h("button", { type: "button", class: "danger", hidden: true }, icon("cancel"), "Cancel");
  #again = h("button", { type: "button", hidden: true }, icon("again"), "Start again");
  #link = copier("link", "Copy link", () => location.href);
  #now = new Now();
  #times = ["Created", "Started", "Ended"].map((name) => {
    const time = h("time", { class: "plain" });
    return { time, row: h("div", null, h("dt", null, name), h("dd", null, time)) };
  });
  #outcome = h("div", { class: "op-outcome" });
  #steps = new Steps();
  #log;
  #outputs = new Outputs();
  #side;
  #body;
  #nothing = h("div", { class: "blank card" });
  #spoken = h("p", { class: "hidden", role: "status" });
  #toast = h("p", { class: "toast", role: "alert" });

  /** @param {Client} client @param {string} id @param {(url: string | URL) => void} navigate */
  constructor(client, id, navigate) {
    this.#client = client;
    this.#log = new Log(`operation-${id.replace(/[^\w-]/g, "_").slice(0, 80)}`);
    const name = h("div", null, h("dt", null, "Id"), h("dd", { class: "mono said" }, seen(id)));
    const details = h("dl", { class: "part-body op-times" }, this.#times.map(({ row }) => row), name);
    this.#side = h("div", { class: "op-side" }, part("Details", details));
    const parts = [this.#outcome, this.#steps.element, this.#log.element, this.#outputs.element];
    const main = h("div", { class: "op-main" }, parts);
    this.#body = h("div", { class: "op-body" }, this.#now.element, main, this.#side);
    const title = h("div", { class: "op-title" }, this.#title, this.#state);
    const actions = h("div", { class: "op-actions" }, this.#cancel, this.#again, this.#link);
    this.element = h(
      "div",
      { class: "op" },
      h("a", { class: "op-back", href: "./" }, icon("back"), "Operations"),
      h("div", { class: "op-head" }, title, actions),
      this.#labels,
      this.#body,
      this.#nothing,
      this.#spoken,
      this.#toast,
    );
    this.#cancel.addEventListener("click", () => void this.#stop());
    this.#again.addEventListener("click", () => this.#drawn && openForm(client, navigate, this.#drawn));
    this.#operation = client.watch(id);
    const draw = () => frame(this.#draw);
    const timer = setInterval(draw, 500);
    this.#undo = [
      this.#operation.subscribe((message) => this.#changed(message)),
      client.connection.subscribe(draw),
      () => clearInterval(timer),
      () => this.#operation.close(),
      () => this.#log.close(),
    ];
    this.#draw();
  }

  close() {
    this.#isClosed = true;
    for (const undo of this.#undo) undo();
  }

  /** @param {OperationMessage} [message] */
  #changed(message) {
    if (message?.type === "log") this.#lines++;
    if (message?.type === "gap" && message.missed) {
      this.#missed.log += message.missed.log;
      this.#missed.output += message.missed.output;
    }
    const { snapshot } = this.#operation;
    // What came with the first answer may have happened long ago.
    const isNew = this.#drawn !== null && this.#drawn.updated_at !== snapshot?.updated_at;
    if (snapshot) this.#clock.hear(snapshot.updated_at, isNew);
    frame(this.#draw);
  }

  #draw = () => {
    if (this.#isClosed) return;
    const { snapshot, error, logs, outputs, fraction } = this.#operation;
    this.#link.hidden = this.#body.hidden = !snapshot;
    if (!snapshot) return this.#explain(error);
    this.#nothing.hidden = true;
    const isAsked = this.#isAsked && !hasEnded(snapshot.state);
    const shown = isAsked ? { ...snapshot, state: /** @type {const} */ ("cancelling") } : snapshot;
    if (!this.#drawn) this.#introduce(snapshot);
    if (snapshot !== this.#drawn || this.element.dataset.state !== shown.state) this.#show(shown, fraction);
    this.#drawn = snapshot;
    const { state } = this.#client.connection.snapshot;
    this.#now.tick(shown, this.#clock, state === "live" || state === "polling");
    const now = this.#clock.now();
    [snapshot.created_at, snapshot.started_at, snapshot.finished_at].forEach((iso, n) => {
      this.#times[n].row.hidden = !iso;
      if (iso) tellTime(this.#times[n].time, iso, now);
    });
    this.#log.show(logs, this.#lines - logs.length + this.#missed.log, hasEnded(snapshot.state));
    this.#outputs.show(outputs, this.#missed.output);
  };

  /** Why there is nothing to be seen. @param {any} error */
  #explain(error) {
    const isWaiting = this.#client.connection.snapshot.state === "waiting";
    let [title, detail] = REASONS[error?.status] ?? ["It cannot be shown", error?.message];
    if (!error) title = "Loading";
    if (!error) detail = isWaiting ? "The server does not answer. This page goes on once it does." : "";
    this.#nothing.hidden = !error && !isWaiting;
    if (this.#nothing.textContent?.startsWith(title + detail)) return;
    const all = h("a", { class: "button", href: "./", hidden: !error }, icon("back"), "All operations");
    this.#nothing.replaceChildren(h("h2", null, title), h("p", { class: "quiet-text said" }, detail), all);
    text(this.#spoken, `${title}. ${detail}`);
    showProgress(null, null, error ? `${title} · Progress` : "Progress");
  }

  /** What stays as it is. @param {Snapshot} snapshot */
  #introduce(snapshot) {
    const { labels, params } = snapshot;
    text(this.#title, seen(called(snapshot)));
    for (const label of Object.entries(labels).map((label) => label.join(":"))) {
      const href = `./?label=${encodeURIComponent(label)}`;
      this.#labels.append(h("a", { class: "tag line said", dir: "auto", href }, seen(label)));
    }
    const isEmpty = !params || !Object.keys(params).length;
    if (!isEmpty) this.#side.append(part("Parameters", h("div", { class: "part-body" }, json(params))));
    this.#side.append(terminal(snapshot));
  }

  /** @param {Snapshot} snapshot @param {number | null} fraction */
  #show(snapshot, fraction) {
    const { kind, state, steps } = snapshot;
    const name = seen(called(snapshot));
    const isOver = hasEnded(state);
    const tenth = Math.floor((fraction ?? 0) * 10);
    const isOther = this.element.dataset.state !== state;
    if (isOther || tenth !== this.#tenth) text(this.#spoken, seen(summary(snapshot, fraction)));
    this.#tenth = tenth;
    this.#now.show(snapshot, fraction);
    this.#steps.show(steps, isOver);
    showProgress(fraction, state, isOver ? `${STATES[state]}: ${name}` : name);
    if (!isOther) return;
    this.element.dataset.state = state;
    this.#state.replaceChildren(icon(state), STATES[state] + (state === "cancelling" ? "…" : ""));
    this.#again.hidden = !isOver || kind === "external";
    const next = this.#again.hidden ? this.#link : this.#again;
    if (isOver && document.activeElement === this.#cancel) next.focus();
    this.#cancel.hidden = isOver;
    this.#cancel.ariaDisabled = state === "cancelling" ? "true" : null;
    this.#outcome.replaceChildren(...outcome(snapshot));
  }

  async #stop() {
    if (this.#cancel.ariaDisabled === "true") return;
    this.#isAsked = true;
    frame(this.#draw);
    try {
      await this.#operation.cancel();
    } catch (error) {
      this.#isAsked = false;
      text(this.#toast, `It could not be cancelled: ${/** @type {Error} */ (error).message}`);
      setTimeout(() => text(this.#toast, ""), 8_000);
    }
    frame(this.#draw);
  }
}

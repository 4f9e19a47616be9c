// @ts-check
/** One operation, as it happens. */

import { hasEnded } from "../client/index.js";
import { amount, brief, duration, eta, number, percent, rate, STATES, summary } from "../format.js";
import { attribute, frame, h, icon, text } from "./dom.js";
import { openForm } from "./form.js";
import { json, plain } from "./json.js";
import { Log } from "./log.js";
import { copier, outcome, Outputs, part, tellTime, terminal } from "./outcome.js";
import { Sparkline } from "./sparkline.js";
import { Steps } from "./steps.js";
import { showProgress } from "./title.js";

/**
 * @typedef {import("../client/index.js").ProgressClient} Client
 * @typedef {import("../client/index.js").Snapshot} Snapshot
 * @typedef {import("../client/index.js").OperationMessage} OperationMessage
 */

/** Seconds without news after which it is said, if they are also so many times the usual. */
const QUIET = 20;
const USUAL = 5;
/** Milliseconds by which two clocks may differ. */
const SAME = 2_000;
/** Of a longer text more than this cannot be seen in a line. */
const SEEN = 300;

/** Why there is nothing to show, and what to do. */
const REASONS = /** @type {Record<number, [string, string]>} */ ({
  401: ["Not signed in", "The server wants to know who you are. Sign in, and load this page again."],
  403: ["Not for you", "You are not allowed to see this operation. Ask whoever runs this server."],
  404: [
    "No such operation",
    "Check that its address is complete. If it is, the server has been restarted since, or the operation is not yours to see.",
  ],
  410: ["No longer kept", "It ended some time ago, and the server has made room for newer ones."],
});

const shown = (/** @type {string} */ value) => plain(value.length > SEEN ? `${value.slice(0, SEEN)}…` : value);

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

/** @param {string} icons @param {string} label @param {() => void} onclick @param {string} [kind] */
const button = (icons, label, onclick, kind) =>
  h("button", { type: "button", class: kind, onclick, hidden: true }, icon(icons), h("span", null, label));

/** @param {string} name */
function fact(name) {
  const value = h("dd", { class: "plain line" }, "–");
  return { value, element: h("div", null, h("dt", null, name), value) };
}

/** @param {string} name */
function moment(name) {
  const value = h("time", { class: "plain" });
  return { value, element: h("div", { hidden: true }, h("dt", null, name), h("dd", null, value)) };
}

class View {
  #client;
  #navigate;
  #operation;
  /** @type {Snapshot | null} what is drawn */
  #drawn = null;
  #isAsked = false;
  #isDue = false;
  #isClosed = false;
  /** Milliseconds that our clock is ahead. */
  #ahead = Infinity;
  /** Seconds between two events, usually. */
  #pace = 0;
  #newsAt = 0;
  #lines = 0;
  #dropped = { log: 0, output: 0 };
  #tenth = -1;
  #undo;

  #title = h("h1", { class: "said", dir: "auto" }, "Operation");
  #state = h("span", { class: "state" });
  #labels = h("p", { class: "op-labels" });
  #cancel = button("cancel", "Cancel", () => void this.#stop(), "danger");
  #again = button("again", "Start again", () => this.#startAgain());
  #link = copier("link", "Copy link", () => location.href);

  #big = h("p", { class: "op-big plain line" });
  #left = h("p", { class: "op-left plain" });
  #fill = h("i");
  #bar = h("div", { class: "bar", role: "progressbar", "aria-label": "Progress", "aria-valuemin": "0", "aria-valuemax": "100" }, this.#fill);
  #message = h("p", { class: "op-message said line quiet-text", dir: "auto" });
  #elapsed = fact("Elapsed");
  #done = fact("Done");
  #rate = fact("Rate");
  #spark = new Sparkline();

  #created = moment("Created");
  #started = moment("Started");
  #finished = moment("Ended");
  #outcome = h("div", { class: "op-outcome" });
  #steps = new Steps();
  #log;
  #outputs = new Outputs();
  #side = h("div", { class: "op-side" });
  #body;
  #nothing = h("div", { class: "blank card", hidden: true });
  #spoken = h("p", { class: "hidden", role: "status" });
  #toast = h("p", { class: "toast", role: "alert" });

  /**
   * @param {Client} client
   * @param {string} id
   * @param {(url: string | URL) => void} navigate
   */
  constructor(client, id, navigate) {
    this.#client = client;
    this.#navigate = navigate;
    this.#log = new Log(`operation-${id.replace(/[^\w-]/g, "_").slice(0, 80)}`);
    const times = h("dl", { class: "part-body op-times" }, [this.#created, this.#started, this.#finished].map(({ element }) => element));
    times.append(h("div", null, h("dt", null, "Id"), h("dd", { class: "mono said" }, shown(id))));
    this.#side.append(part("Details", times));
    const facts = h("dl", { class: "op-facts figures" }, [this.#elapsed, this.#done, this.#rate].map(({ element }) => element));
    this.#body = h(
      "div",
      { class: "op-body", hidden: true },
      h(
        "section",
        { class: "card op-now", "aria-label": "Progress" },
        h("div", { class: "op-figures figures" }, this.#big, this.#left),
        this.#bar,
        this.#message,
        h("div", { class: "op-pace" }, facts, this.#spark.element),
      ),
      h("div", { class: "op-main" }, this.#outcome, this.#steps.element, this.#log.element, this.#outputs.element),
      this.#side,
    );
    this.element = h(
      "div",
      { class: "op" },
      h("a", { class: "op-back", href: "./" }, icon("back"), "Operations"),
      h(
        "div",
        { class: "op-head" },
        h("div", { class: "op-title" }, this.#title, this.#state),
        h("div", { class: "op-actions" }, this.#cancel, this.#again, this.#link),
      ),
      this.#labels,
      this.#body,
      this.#nothing,
      this.#spoken,
      this.#toast,
    );
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
    draw();
  }

  close() {
    this.#isClosed = true;
    for (const undo of this.#undo) undo();
  }

  /** @param {OperationMessage} [message] */
  #changed(message) {
    if (message?.type === "log") this.#lines++;
    if (message?.type === "gap" && message.missed) {
      this.#dropped.log += message.missed.log;
      this.#dropped.output += message.missed.output;
    }
    if (message && "time" in message) this.#hear(Date.parse(message.time));
    frame(this.#draw);
  }

  /** Compare clocks, and learn how often something comes. @param {number} time */
  #hear(time) {
    const behind = Date.now() - time;
    // What came with the first answer may be old, but never from the future.
    if (behind < 0 || this.#drawn) this.#ahead = Math.min(this.#ahead, behind);
    if (this.#newsAt) this.#pace += ((time - this.#newsAt) / 1_000 - this.#pace) / 5;
    this.#newsAt = time;
  }

  /** What the server's clock says. */
  #now() {
    return Date.now() - (Math.abs(this.#ahead) < SAME || this.#ahead === Infinity ? 0 : this.#ahead);
  }

  #draw = () => {
    if (this.#isClosed) return;
    const { snapshot, error } = this.#operation;
    this.#body.hidden = !snapshot;
    this.#link.hidden = !snapshot;
    if (!snapshot) return this.#explain(error);
    this.#nothing.hidden = true;
    if (snapshot !== this.#drawn || this.#isDue) this.#show(snapshot);
    this.#isDue = false;
    this.#tick(snapshot);
    const hasEnded = snapshot.finished_at !== null;
    this.#log.show(this.#operation.logs, this.#lines - this.#operation.logs.length + this.#dropped.log, hasEnded);
    this.#outputs.show(this.#operation.outputs, this.#dropped.output);
  };

  /** Why there is nothing to be seen. @param {any} error */
  #explain(error) {
    const { state } = this.#client.connection.snapshot;
    let [title, detail] = REASONS[error?.status] ?? ["It cannot be shown", error?.message];
    if (!error) [title, detail] = ["Loading", state === "waiting" ? "The server cannot be reached. It is tried again by itself." : ""];
    this.#nothing.hidden = !error && state !== "waiting";
    if (this.#nothing.dataset.said === title + detail) return;
    this.#nothing.dataset.said = title + detail;
    const all = error && h("a", { class: "button", href: "./" }, icon("back"), "All operations");
    const say = h("p", { class: "quiet-text said" }, detail);
    this.#nothing.replaceChildren(h("h2", null, title), say, h("div", { class: "actions" }, all));
    text(this.#spoken, `${title}. ${detail}`);
    showProgress(null, null, error ? `${title} · Progress` : "Progress");
  }

  /** The state as it is to be seen: what was asked for is under way. @param {Snapshot} snapshot */
  #stateOf({ state }) {
    return this.#isAsked && !hasEnded(state) ? "cancelling" : state;
  }

  /** @param {Snapshot} snapshot */
  #show(snapshot) {
    const { kind, labels, progress, params, updated_at } = snapshot;
    const { fraction } = this.#operation;
    if (!this.#drawn) {
      text(this.#title, shown(kind));
      const tags = Object.entries(labels).map((label) => label.join(":"));
      this.#labels.replaceChildren(
        ...tags.map((tag) => h("a", { class: "tag line said", dir: "auto", href: `./?label=${encodeURIComponent(tag)}` }, shown(tag))),
      );
      const isEmpty = !params || !Object.keys(params).length;
      if (!isEmpty) this.#side.append(part("Parameters", h("div", { class: "part-body" }, json(params))));
      this.#side.append(terminal(snapshot));
    }
    const state = this.#stateOf(snapshot);
    if (this.element.dataset.state !== state) this.#showState(snapshot, state);
    this.#drawn = snapshot;
    const isGoing = !hasEnded(state) && state !== "queued";
    const counted = counting(snapshot);
    const unit = counted.unit && shown(counted.unit);
    if (isGoing && counted.completed !== null) this.#spark.add(counted.id ?? "", unit, counted.completed, Date.parse(updated_at));
    const done = amounts(snapshot);
    text(this.#done.value, done || "–");
    text(this.#rate.value, (isGoing && rate(counted.rate, unit)) || "–");
    text(this.#big, percent(fraction) || (isGoing && done) || STATES[state]);
    text(this.#message, shown(progress.message ?? counted.said ?? ""));
    const isUnknown = fraction === null && isGoing;
    this.#fill.style.transform = isUnknown ? "" : `scaleX(${(fraction ?? 0).toFixed(4)})`;
    this.#bar.classList.toggle("unknown", isUnknown);
    attribute(this.#bar, "aria-valuenow", fraction === null ? null : String(Math.floor(fraction * 100)));
    attribute(this.#bar, "aria-valuetext", shown(summary({ ...snapshot, state }, fraction)));
    const tenth = Math.floor((fraction ?? 0) * 10);
    if (tenth !== this.#tenth) text(this.#spoken, shown(summary({ ...snapshot, state }, fraction)));
    this.#tenth = tenth;
    this.#steps.show(snapshot.steps, hasEnded(state));
    showProgress(fraction, state, isGoing ? shown(kind) : `${STATES[state]}: ${shown(kind)}`);
  }

  /** @param {Snapshot} snapshot @param {import("../client/index.js").State} state */
  #showState(snapshot, state) {
    this.element.dataset.state = state;
    this.#state.replaceChildren(icon(state), state === "cancelling" ? "Cancelling…" : STATES[state]);
    const isOver = hasEnded(state);
    this.#again.hidden = !isOver;
    if (isOver && document.activeElement === this.#cancel) this.#again.focus();
    this.#cancel.hidden = isOver;
    this.#cancel.ariaDisabled = state === "cancelling" ? "true" : null;
    const came = isOver && outcome(snapshot);
    this.#outcome.replaceChildren(...(came ? [came] : []));
    this.#tenth = -1; // say it
  }

  /** What changes with time alone. @param {Snapshot} snapshot */
  #tick(snapshot) {
    const { created_at, started_at, finished_at, updated_at, progress } = snapshot;
    const state = this.#stateOf(snapshot);
    const now = this.#now();
    for (const [{ element, value }, time] of /** @type {const} */ ([
      [this.#created, created_at],
      [this.#started, started_at],
      [this.#finished, finished_at],
    ])) {
      element.hidden = !time;
      if (time) tellTime(value, time, now);
    }
    const end = finished_at ? Date.parse(finished_at) : now;
    // When it was lost, nobody knows; only when we learnt of it.
    const known = state === "lost" ? 0 : (end - Date.parse(started_at ?? created_at)) / 1_000;
    const elapsed = started_at ? Math.max(known, progress.elapsed ?? 0) : null;
    text(this.#elapsed.value, elapsed === null ? "–" : brief(elapsed));
    const { state: connection } = this.#client.connection.snapshot;
    const silence = (now - Date.parse(updated_at)) / 1_000;
    const isLive = connection === "live" || connection === "polling";
    const isStalled = state === "running" && isLive && silence > Math.max(QUIET, this.#pace * USUAL);
    this.#left.classList.toggle("stalled", isStalled);
    text(this.#left, isStalled ? `Nothing for ${duration(silence)}` : this.#say(snapshot, state, elapsed));
    if (started_at) this.#spark.draw(Math.floor(end / 1_000) * 1_000);
  }

  /** @param {Snapshot} snapshot @param {string} state @param {number | null} elapsed */
  #say({ progress: { position, eta: left } }, state, elapsed) {
    if (state === "queued") return position ? `Place ${position} in the queue` : "";
    if (state === "running") return eta(left);
    if (elapsed === null || !hasEnded(/** @type {any} */ (state))) return "";
    return state === "lost" ? "" : `Took ${elapsed < 1 ? "under a second" : duration(elapsed)}`;
  }

  async #stop() {
    if (this.#cancel.ariaDisabled === "true") return;
    this.#ask(true);
    try {
      await this.#operation.cancel();
    } catch (error) {
      this.#ask(false);
      text(this.#toast, `It could not be cancelled: ${/** @type {Error} */ (error).message}`);
      setTimeout(() => text(this.#toast, ""), 8_000);
    }
  }

  /** @param {boolean} isAsked */
  #ask(isAsked) {
    this.#isAsked = isAsked;
    this.#isDue = true;
    frame(this.#draw);
  }

  #startAgain() {
    if (this.#drawn) openForm(this.#client, this.#navigate, this.#drawn);
  }
}

/**
 * What it counts, or else the step that runs.
 * @param {Snapshot} snapshot
 * @returns {{id?: string, said?: string, completed: number | null, unit: string | null, rate: number | null}}
 */
function counting({ progress, steps }) {
  const step = steps.findLast(({ state }) => state === "running");
  if (progress.completed !== null || !step) return progress;
  return { ...step, said: step.message ? `${step.label}: ${step.message}` : step.label };
}

/** @param {Snapshot} snapshot */
function amounts({ progress, steps }) {
  const { completed, total, unit } = progress;
  if (completed !== null || !steps.length) return amount(completed, total, unit && shown(unit));
  const parents = new Set(steps.map(({ parent }) => parent));
  const leaves = steps.filter(({ id }) => !parents.has(id));
  const done = leaves.filter(({ state }) => state === "succeeded").length;
  return `${number(done)} of ${number(leaves.length)} step${leaves.length === 1 ? "" : "s"}`;
}

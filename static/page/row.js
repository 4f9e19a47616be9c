// @ts-check
/** One operation of the list. Its elements are made once; then only what differs is written. */

import { ago, amount, called, dateTime, duration, eta, percent, rate, STATES, summary } from "../format.js";
import { whole } from "../words.js";
import { attribute, h, icon, text } from "./dom.js";

/** @typedef {import("../client/index.js").Snapshot} Snapshot */

/** Of a longer text more than this cannot be seen in a line. */
const SEEN = 300;

/** What can be cancelled. */
const GOING = new Set(["queued", "running"]);

export class Row {
  /** @type {Snapshot} */
  snapshot;
  isVisible = false;
  /** Whether it has changed since it was drawn. */
  isDue = true;
  /** Whether it still belongs to what is filtered for. */
  belongs = true;
  #state = h("span", { class: "state" });
  #kind = h("a", { class: "kind said", dir: "auto" });
  #labels = h("span", { class: "labels" });
  #message = h("span", { class: "message line said small", dir: "auto" });
  #fill = h("i");
  #bar = h(
    "div",
    { class: "bar", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" },
    this.#fill,
  );
  #percent = h("span", { class: "percent figures plain" });
  #pace = h("span", { class: "line plain" });
  #left = h("span", { class: "left plain" });
  #age = h("time", { class: "age small figures plain" });
  #cancel;
  /** @type {string | null} */
  #scale = null;

  /** @param {Snapshot} snapshot @param {(id: string) => Promise<void>} cancel */
  constructor(snapshot, cancel) {
    this.snapshot = snapshot;
    const { id, labels } = snapshot;
    const title = called(snapshot);
    const onclick = async () => {
      if (this.#cancel.ariaDisabled === "true") return;
      this.#cancel.ariaDisabled = "true";
      await cancel(id);
      this.#cancel.ariaDisabled = null;
    };
    const name = `${shown(title)} ${shown(Object.values(labels).join(" "))}`.trim();
    this.#cancel = h(
      "button",
      { type: "button", class: "quiet bare danger", title: "Cancel", onclick },
      icon("cancel"),
    );
    this.#cancel.ariaLabel = `Cancel ${name}`;
    this.#bar.ariaLabel = `Progress of ${name}`;
    this.#kind.href = `./?operation=${encodeURIComponent(id)}`;
    text(this.#kind, shown(title));
    for (const label of Object.entries(labels).slice(0, 4)) {
      this.#labels.append(h("span", { class: "tag said line", dir: "auto" }, shown(label.join(":"))));
    }
    this.element = h(
      "li",
      { class: "row" },
      this.#state,
      h("div", { class: "name" }, h("div", { class: "title" }, this.#kind, this.#labels), this.#message),
      h(
        "div",
        { class: "course" },
        h("div", { class: "measure" }, this.#bar, this.#percent),
        h("div", { class: "pace small quiet-text figures" }, this.#pace, this.#left),
      ),
      this.#age,
      this.#cancel,
    );
  }

  /**
   * Write what differs.
   * @param {number | null} fraction as it is shown
   */
  draw(fraction) {
    this.isDue = false;
    const { state, progress, error, started_at, finished_at } = this.snapshot;
    if (this.element.dataset.state !== state) {
      this.element.dataset.state = state;
      this.#state.replaceChildren(icon(state), STATES[state] ?? state);
      const isGoing = GOING.has(state);
      if (!isGoing && document.activeElement === this.#cancel) this.#kind.focus({ preventScroll: true });
      this.#cancel.classList.toggle("gone", !isGoing);
    }
    text(this.#message, shown(this.#say(error ?? null)));
    this.#measure(fraction);
    const step = this.snapshot.steps.find((step) => step.state === "running");
    const counted = progress.completed === null && step ? step : progress;
    if (finished_at) {
      const took = started_at ? (Date.parse(finished_at) - Date.parse(started_at)) / 1000 : null;
      text(this.#pace, took === null ? "" : `took ${took < 1 ? "under a second" : duration(took)}`);
      text(this.#left, "");
    } else {
      const parts = [
        amount(counted.completed, counted.total, counted.unit),
        rate(counted.rate, counted.unit),
      ];
      text(this.#pace, shown(parts.filter(Boolean).join(" · ")));
      text(this.#left, eta(progress.eta));
    }
  }

  /** @param {Snapshot["error"]} error */
  #say(error) {
    const { state, progress } = this.snapshot;
    if (error) return error.detail || error.title;
    if (state === "queued" && progress.position) return `place ${progress.position} in the queue`;
    return progress.message ?? "";
  }

  /** @param {number | null} fraction */
  #measure(fraction) {
    const { state, finished_at } = this.snapshot;
    const isUnknown = fraction === null && !finished_at && state !== "queued";
    const scale = isUnknown ? "" : `scaleX(${(fraction ?? 0).toFixed(3)})`;
    if (scale !== this.#scale) {
      this.#scale = scale;
      this.#fill.style.transform = scale;
      this.#bar.classList.toggle("unknown", isUnknown);
    }
    text(this.#percent, percent(fraction));
    attribute(this.#bar, "aria-valuenow", fraction === null ? null : String(whole(fraction)));
    attribute(this.#bar, "aria-valuetext", shown(summary(this.snapshot, fraction)));
  }

  /** @param {number} now */
  drawAge(now) {
    const { created_at } = this.snapshot;
    text(this.#age, ago(created_at, now));
    if (!this.#age.dateTime) {
      this.#age.dateTime = created_at;
      this.#age.title = dateTime(created_at);
    }
  }

  focus() {
    this.#kind.focus();
  }
}

/** @param {string} value */
const shown = (value) => (value.length > SEEN ? `${value.slice(0, SEEN)}…` : value);

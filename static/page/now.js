// @ts-check
/** How far an operation is. Every figure has its place from the start, so that nothing moves. */

import { hasEnded } from "../client/index.js";
import { amount, brief, duration, eta, number, percent, rate, STATES, summary } from "../format.js";
import { attribute, h, text } from "./dom.js";
import { seen } from "./json.js";
import { Sparkline } from "./sparkline.js";
import { bar, fill } from "./steps.js";

/** @typedef {import("../client/index.js").Snapshot} Snapshot */

/** Seconds without news after which it is said, if they are also so many times the usual. */
const QUIET = 20;
const USUAL = 5;
/** Milliseconds by which two clocks may differ. */
const SAME = 2_000;

/** What the server's clock says, and how often something comes. */
export class Clock {
  /** Milliseconds that ours is ahead. */
  #ahead = Infinity;
  #heard = 0;
  /** Seconds between two events, on average. */
  pace = 0;

  /** @param {string} iso when something happened there @param {boolean} isNew whether that was just now */
  hear(iso, isNew) {
    const time = Date.parse(iso);
    if (time === this.#heard) return;
    const ahead = Date.now() - time;
    // What is old says little, but nothing comes from the future.
    if (isNew || ahead < 0) this.#ahead = Math.min(this.#ahead, ahead);
    if (this.#heard) this.pace += ((time - this.#heard) / 1_000 - this.pace) / 5;
    this.#heard = time;
  }

  now() {
    const isKnown = this.#ahead !== Infinity && Math.abs(this.#ahead) > SAME;
    return Date.now() - (isKnown ? this.#ahead : 0);
  }
}

export class Now {
  #big = h("p", { class: "op-big plain line" });
  #left = h("p", { class: "op-left plain" });
  #fill = h("i");
  #bar = bar("Progress", this.#fill);
  #message = h("p", { class: "op-message said line quiet-text", dir: "auto" });
  #facts = ["Elapsed", "Done", "Rate"].map((name) => {
    const value = h("dd", { class: "plain line" }, "–");
    return { value, row: h("div", null, h("dt", null, name), value) };
  });
  #spark = new Sparkline();
  element = h(
    "section",
    { class: "card op-now", "aria-label": "Progress" },
    h("div", { class: "op-figures figures" }, this.#big, this.#left),
    this.#bar,
    this.#message,
    h(
      "div",
      { class: "op-pace" },
      h("dl", { class: "op-facts figures" }, this.#facts.map(({ row }) => row)),
      this.#spark.element,
    ),
  );

  /** @param {Snapshot} snapshot @param {number | null} fraction */
  show(snapshot, fraction) {
    const { state, progress, updated_at } = snapshot;
    const isGoing = !hasEnded(state) && state !== "queued";
    const { id = "", completed, unit, rate: pace, said } = counting(snapshot);
    const time = Date.parse(updated_at);
    if (isGoing && completed !== null) this.#spark.add(id, unit && seen(unit), completed, time);
    const done = amounts(snapshot);
    this.#set(1, done);
    this.#set(2, isGoing ? rate(pace, unit && seen(unit)) : "");
    text(this.#big, percent(fraction) || (isGoing && done) || STATES[state]);
    text(this.#message, seen(progress.message ?? said ?? ""));
    fill(this.#bar, this.#fill, fraction, isGoing);
    attribute(this.#bar, "aria-valuetext", seen(summary(snapshot, fraction)));
  }

  /**
   * What changes with time alone.
   * @param {Snapshot} snapshot
   * @param {Clock} clock
   * @param {boolean} isLive whether news would come
   */
  tick({ state, created_at, started_at, finished_at, updated_at, progress }, clock, isLive) {
    const now = clock.now();
    // When it was lost, nobody knows; only when we learnt of it.
    const end = state === "lost" ? Date.parse(updated_at) : finished_at ? Date.parse(finished_at) : now;
    const known = state === "lost" ? 0 : (end - Date.parse(started_at ?? created_at)) / 1_000;
    const elapsed = started_at ? Math.max(known, progress.elapsed ?? 0) : null;
    this.#set(0, elapsed === null ? "" : brief(elapsed));
    const silence = (now - Date.parse(updated_at)) / 1_000;
    const isStalled = state === "running" && isLive && silence > Math.max(QUIET, clock.pace * USUAL);
    this.#left.classList.toggle("stalled", isStalled);
    let left = "";
    if (isStalled) left = `Nothing for ${duration(silence)}`;
    else if (state === "running") left = eta(progress.eta);
    else if (state === "queued" && progress.position) left = `Place ${progress.position} in the queue`;
    else if (finished_at && elapsed !== null && state !== "lost") {
      left = `Took ${elapsed < 1 ? "under a second" : duration(elapsed)}`;
    }
    text(this.#left, left);
    if (started_at) this.#spark.draw(Math.floor(end / 1_000) * 1_000);
  }

  /** @param {number} n @param {string} value */
  #set(n, value) {
    text(this.#facts[n].value, value || "–");
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
function amounts({ progress: { completed, total, unit }, steps }) {
  if (completed !== null || !steps.length) return amount(completed, total, unit && seen(unit));
  const parents = new Set(steps.map(({ parent }) => parent));
  const leaves = steps.filter(({ id }) => !parents.has(id));
  const done = leaves.filter(({ state }) => state === "succeeded").length;
  return `${number(done)} of ${number(leaves.length)} step${leaves.length === 1 ? "" : "s"}`;
}

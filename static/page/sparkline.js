// @ts-check
/** The rate over the last minutes: between two samples it is what was done between them, no more. */

import { duration, rate } from "../format.js";
import { attribute, h, text } from "./dom.js";

/** Milliseconds between two samples, and that are shown. */
const APART = 2_000;
const SPAN = 180_000;
const [WIDTH, HEIGHT] = [180, 32];

export class Sparkline {
  /** @type {{time: number, completed: number}[]} */
  #samples = [];
  #source = "";
  /** @type {string | null} */
  #unit = null;
  #area = h("svg:path", { class: "area" });
  #line = h("svg:path", { class: "stroke" });
  #picture = h(
    "svg:svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" },
    this.#area,
    this.#line,
  );
  #peak = h("span", { class: "small quiet-text plain line" });
  element = h("div", { class: "spark gone" }, this.#picture, this.#peak);

  /**
   * @param {string} source what is counted: another one begins anew
   * @param {string | null} unit
   * @param {number} completed
   * @param {number} time milliseconds
   */
  add(source, unit, completed, time) {
    const last = this.#samples.at(-1);
    if (source !== this.#source || (last && completed < last.completed)) this.#samples = [];
    this.#source = source;
    this.#unit = unit;
    if (last && this.#samples.length && time - last.time < APART) return;
    this.#samples.push({ time, completed });
    if (this.#samples.length > SPAN / APART) this.#samples.shift();
  }

  /** @param {number} now milliseconds */
  draw(now) {
    const samples = this.#samples.filter(({ time }) => time >= now - SPAN);
    const [first] = samples;
    this.element.classList.toggle("gone", samples.length < 2);
    if (samples.length < 2) return;
    const span = Math.min(Math.max(now - first.time, 30_000), SPAN);
    const rates = samples.slice(1).map(({ time, completed }, n) => {
      const before = samples[n];
      return ((completed - before.completed) / (time - before.time)) * 1_000;
    });
    const most = Math.max(...rates);
    const x = (/** @type {number} */ time) => (WIDTH - ((now - time) / span) * WIDTH).toFixed(1);
    const y = (/** @type {number} */ rate) => (HEIGHT - 1 - (rate / (most || 1)) * (HEIGHT - 2)).toFixed(1);
    const steps = rates.map((rate, n) => `V${y(rate)}H${x(samples[n + 1].time)}`).join("");
    attribute(this.#line, "d", `M${x(first.time)},${y(rates[0])}${steps}`);
    attribute(this.#area, "d", `M${x(first.time)},${HEIGHT}${steps}V${HEIGHT}z`);
    const top = rate(most, this.#unit);
    text(this.#peak, `Peak ${top}`);
    const least = rate(Math.min(...rates), this.#unit);
    attribute(this.#picture, "aria-label", `Rate of the last ${duration(span / 1_000)}: ${least} to ${top}`);
  }
}

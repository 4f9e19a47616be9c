// @ts-check
/** The steps of an operation as nested lists. Rows are made once; then only what differs is written. */

import { amount, eta, number, percent, rate, STATES } from "../format.js";
import { whole } from "../words.js";
import { attribute, h, icon, text } from "./dom.js";
import { seen } from "./json.js";

/** @typedef {import("../client/index.js").Step} Step */

/** Finished and pending ones among siblings that are shown without being asked for. */
const SHOWN = 8;

const isDone = (/** @type {Step} */ { state }) => state === "succeeded" || state === "cancelled";
const isPending = (/** @type {Step} */ { state }) => state === "pending";

/** @param {string} label @param {HTMLElement} filling */
export const bar = (label, filling) =>
  h(
    "div",
    { class: "bar", role: "progressbar", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100 },
    filling,
  );

/**
 * @param {HTMLElement} bar
 * @param {HTMLElement} filling
 * @param {number | null} fraction
 * @param {boolean} isGoing
 */
export function fill(bar, filling, fraction, isGoing) {
  const isUnknown = fraction === null && isGoing;
  filling.style.transform = isUnknown ? "" : `scaleX(${(fraction ?? 0).toFixed(4)})`;
  bar.classList.toggle("unknown", isUnknown);
  attribute(bar, "aria-valuenow", fraction === null ? null : String(whole(fraction)));
}

class Row {
  /** @type {Step | null} */
  #step = null;
  #own = 0;
  #isOver = false;
  #state = h("span", { class: "step-state" });
  #label = h("span", { class: "step-label said", dir: "auto" });
  #message = h("span", { class: "said quiet-text small", dir: "auto" });
  #share = h("span", null);
  #fill = h("i");
  #bar = bar("", this.#fill);
  #percent = h("span", { class: "step-percent plain" });
  #pace = h("span", { class: "step-pace plain line quiet-text small" });
  /** @type {HTMLElement | null} */
  children = null;

  /** @param {number} depth */
  constructor(depth) {
    const name = h("div", { class: "line" }, this.#label, "\u2002", this.#message);
    const word = h("span", { class: "hidden" }, "Share: ");
    const share = h("span", { class: "step-share plain quiet-text small" }, word, this.#share);
    const cells = [this.#state, name, this.#bar, this.#percent, this.#pace, share];
    const line = h("div", { class: "step figures" }, cells);
    line.style.setProperty("--depth", String(Math.min(depth, 6)));
    this.element = h("li", null, line);
  }

  /** @param {Step} step @param {number} share @param {boolean} isOver nothing comes any more */
  draw(step, share, isOver) {
    if (share !== this.#own) text(this.#share, share < 0.01 ? `<${percent(0.01)}` : percent(share));
    this.#own = share;
    if (step === this.#step && isOver === this.#isOver) return;
    this.#isOver = isOver;
    const { label, message, completed, total, unit, fraction } = step;
    const state = isOver && step.state === "running" ? "lost" : step.state;
    if (state !== this.element.dataset.state) {
      this.element.dataset.state = state;
      this.#state.replaceChildren(icon(state), h("span", { class: "hidden" }, STATES[state] ?? "To come"));
      attribute(this.#state, "title", STATES[state] ?? "To come");
    }
    this.#step = step;
    const isGoing = state === "running";
    text(this.#label, seen(label));
    text(this.#message, (isGoing || state === "failed") && message ? seen(message) : "");
    const done = state === "succeeded" ? 1 : isGoing ? fraction : (fraction ?? 0);
    fill(this.#bar, this.#fill, done, isGoing);
    attribute(this.#bar, "aria-label", `Progress of ${seen(label)}`);
    text(this.#percent, state === "pending" ? "" : percent(done));
    const name = unit && seen(unit);
    // What has steps of its own counts nothing by itself.
    const parts = [completed || (isGoing && !this.children) ? amount(completed, total, name) : ""];
    if (isGoing) parts.push(rate(step.rate, name), eta(step.eta));
    text(this.#pace, parts.filter(Boolean).join(" · "));
  }
}

export class Steps {
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {Map<string, Element>} what stands for those that are not shown */
  #rests = new Map();
  /** @type {Set<string>} which of them are */
  #opened = new Set();
  /** @type {readonly Step[]} */
  #steps = [];
  #isOver = false;
  #list = h("ol", { role: "list", class: "steps", "aria-labelledby": "steps" });
  element = h(
    "section",
    { class: "card", hidden: true },
    h(
      "div",
      { class: "part-head" },
      h("h2", { id: "steps" }, "Steps"),
      h("span", { class: "small quiet-text steps-share", "aria-hidden": "true" }, "Share"),
    ),
    this.#list,
  );

  /** @param {readonly Step[]} steps @param {boolean} isOver */
  show(steps, isOver) {
    if (steps === this.#steps && isOver === this.#isOver) return;
    this.#steps = steps;
    this.#isOver = isOver;
    this.element.hidden = !steps.length;
    /** @type {Map<string | null, Step[]>} */
    const children = new Map();
    for (const step of steps) {
      const siblings = children.get(step.parent);
      if (siblings) siblings.push(step);
      else children.set(step.parent, [step]);
    }
    this.#arrange(this.#list, children, null, 1, 0);
  }

  /**
   * @param {HTMLElement} list
   * @param {Map<string | null, Step[]>} children
   * @param {string | null} parent
   * @param {number} share
   * @param {number} depth
   */
  #arrange(list, children, parent, share, depth) {
    const siblings = children.get(parent) ?? [];
    let weights = 0;
    for (const { weight } of siblings) weights += weight;
    /** @type {Element[]} */
    const wanted = [];
    for (const part of this.#parts(siblings, parent)) {
      if (part instanceof Element) {
        wanted.push(part);
        continue;
      }
      let row = this.#rows.get(part.id);
      if (!row) this.#rows.set(part.id, (row = new Row(depth)));
      const own = weights ? (share * part.weight) / weights : 0;
      if (children.has(part.id)) {
        if (!row.children) row.element.append((row.children = h("ol", { role: "list" })));
        this.#arrange(row.children, children, part.id, own, depth + 1);
      }
      row.draw(part, own, this.#isOver);
      wanted.push(row.element);
    }
    // First those that leave: what stays is not moved, and keeps the focus.
    const staying = new Set(wanted);
    for (const element of [...list.children]) if (!staying.has(element)) element.remove();
    let next = list.firstElementChild;
    for (const element of wanted) {
      if (element === next) next = next.nextElementSibling;
      else list.insertBefore(element, next);
    }
  }

  /**
   * Those to show, and in place of the others what shows them: long runs of what is over, or still to come.
   * @param {Step[]} siblings
   * @param {string | null} parent
   */
  #parts(siblings, parent) {
    if (siblings.length <= 3 * SHOWN) return siblings;
    /** @type {(Step | Element)[]} */
    const parts = [];
    let run = 0;
    for (let from = 0; from < siblings.length; ) {
      const kind = [isDone, isPending].find((is) => is(siblings[from]));
      let to = from + 1;
      while (kind && to < siblings.length && kind(siblings[to])) to++;
      const key = `${parent} ${run++}`;
      const hidden = to - from - SHOWN;
      if (hidden < 3 || this.#opened.has(key)) parts.push(...siblings.slice(from, to));
      else if (kind === isDone) {
        parts.push(this.#rest(key, `${number(hidden)} more that are done`));
        parts.push(...siblings.slice(to - SHOWN, to));
      } else {
        parts.push(...siblings.slice(from, from + SHOWN), this.#rest(key, `${number(hidden)} more to come`));
      }
      from = to;
    }
    return parts;
  }

  /** @param {string} key @param {string} what */
  #rest(key, what) {
    let rest = this.#rests.get(key);
    if (!rest) {
      const open = () => {
        const before = rest?.previousElementSibling;
        const list = rest?.parentElement;
        this.#opened.add(key);
        const steps = this.#steps;
        this.#steps = [];
        this.show(steps, this.#isOver);
        const first = /** @type {HTMLElement} */ (before?.nextElementSibling ?? list?.firstElementChild);
        first.tabIndex = -1;
        first.focus({ preventScroll: true });
      };
      const props = { type: "button", class: "quiet", onclick: open };
      const button = h("button", props, icon("more"), h("span", null));
      this.#rests.set(key, (rest = h("li", { class: "rest" }, button)));
    }
    text(/** @type {Node} */ (rest.firstElementChild?.lastChild), `Show ${what}`);
    return rest;
  }
}

// @ts-check
/** What somebody else has made, shown and not obeyed: text, and any JSON value. */

import { number } from "../format.js";
import { attribute, h, text } from "./dom.js";

/** Members of one object or array that are shown at first, and more at each press. */
const MEMBERS = 100;
/** Characters and lines of a text that are shown at first. */
const LONG = 500;
const LINES = 16;

/** What moves the cursor or colours a terminal: CSI, OSC, and all others. */
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])/g;
/** Control characters, and those that turn the direction of what follows. */
const CONTROLS = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u2028-\u202e\u2066-\u2069]/g;

/**
 * Text that does nothing but stand there: escape codes are left out, other controls can be seen.
 * @param {string} value
 */
export const plain = (value) =>
  value
    .replace(ESCAPES, "")
    .replaceAll("\r\n", "\n")
    .replace(CONTROLS, (character) => {
      const code = character.charCodeAt(0);
      if (code < 32) return String.fromCharCode(0x2400 + code);
      return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
    });

/** As much of it as can be seen in a line. @param {string} value */
export const seen = (value) => plain(value.length > 300 ? `${value.slice(0, 300)}…` : value);

/** @param {string} value */
function cut(value) {
  let end = -1;
  for (let line = 0; line < LINES; line++) {
    end = value.indexOf("\n", end + 1);
    if (end < 0 || end > LONG) return value.length > LONG + 60 ? LONG : value.length;
  }
  return end;
}

/** A text of which a long rest is shown when it is asked for. @param {string} value */
export function long(value) {
  let isOpen = false;
  const end = cut(value);
  const body = h("span", { class: "said", dir: "auto" });
  const element = h("span", { class: "long" }, body);
  const button = h("button", { type: "button", class: "quiet more-text" });
  const draw = () => {
    const shown = isOpen || end === value.length ? value : `${value.slice(0, end)}…`;
    text(body, plain(shown));
    text(button, isOpen ? "Show less" : `Show all ${number(value.length)} characters`);
    attribute(button, "aria-expanded", String(isOpen));
  };
  button.addEventListener("click", () => {
    isOpen = !isOpen;
    draw();
  });
  if (end < value.length) element.append(button);
  draw();
  return element;
}

/**
 * @param {unknown} value
 * @returns {HTMLElement}
 */
export function json(value) {
  return h("div", { class: "json mono" }, isFull(value) ? members(value, 0) : leaf(value));
}

/**
 * @param {unknown} value
 * @returns {value is object}
 */
const isFull = (value) => typeof value === "object" && value !== null && Object.keys(value).length > 0;

/**
 * @param {object} value
 * @param {number} depth
 */
function members(value, depth) {
  const entries = Object.entries(value);
  const list = h("ul", { role: "list" });
  const more = h("button", { type: "button", class: "quiet more-text" });
  let shown = 0;
  const add = () => {
    const next = entries.slice(shown, (shown += MEMBERS));
    list.append(...next.map(([name, each]) => member(name, each, depth)));
    text(more, `Show ${number(Math.min(entries.length - shown, MEMBERS))} more of ${number(entries.length)}`);
    if (shown >= entries.length) more.remove();
  };
  more.addEventListener("click", add);
  const both = h("div", null, list, more);
  add();
  return both;
}

/**
 * @param {string} name
 * @param {unknown} value
 * @param {number} depth
 */
function member(name, value, depth) {
  const key = h("span", { class: "key said", dir: "auto" }, plain(name.slice(0, LONG)));
  if (!isFull(value)) return h("li", null, key, leaf(value));
  const count = Object.keys(value).length;
  const size = h("span", { class: "quiet-text plain" }, Array.isArray(value) ? `[${count}]` : `{${count}}`);
  const details = h("details", null, h("summary", null, key, size));
  // What nobody looks into need not be made.
  details.addEventListener("toggle", () => details.append(members(value, depth + 1)), { once: true });
  details.open = depth < 1 && count <= 10;
  return h("li", null, details);
}

/** @param {unknown} value */
function leaf(value) {
  if (typeof value !== "string") {
    const shown = typeof value === "number" ? String(value) : JSON.stringify(value);
    return h("span", { class: `value ${typeof value}` }, shown);
  }
  const isAddress = /^https?:\/\/[^\s\\]{1,2000}$/i.test(value) && URL.canParse(value);
  if (!isAddress || plain(value) !== value) return h("span", { class: "value string" }, long(value));
  return h("a", { class: "said", href: value, target: "_blank", rel: "noopener noreferrer" }, value);
}

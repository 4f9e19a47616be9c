// @ts-check
/** What came of an operation, what went into it, and how to follow it from a terminal. */

import { ago, dateTime, number } from "../format.js";
import { copyText, h, icon, text } from "./dom.js";
import { json, long, plain } from "./json.js";

/**
 * @typedef {import("../client/index.js").Snapshot} Snapshot
 * @typedef {import("../client/index.js").Problem} Problem
 * @typedef {import("../client/index.js").OutputMessage} Output
 */

/** Outputs that are shown without being asked for. */
const OUTPUTS = 50;

const LOST =
  "The server does not know this operation any more: perhaps it was restarted, and what ran in it is gone. " +
  "This is what was known last.";

/**
 * @param {string} title
 * @param {...import("./dom.js").Child} children
 */
export function part(title, ...children) {
  const head = h("div", { class: "part-head" }, h("h2", null, title));
  return h("section", { class: "card" }, head, children);
}

/**
 * A button that copies, and says so.
 * @param {string} icons
 * @param {string} label
 * @param {() => string} what
 */
export function copier(icons, label, what) {
  const word = h("span", { "aria-live": "polite" }, label);
  const onclick = () =>
    copyText(what())
      .then(() => "Copied", () => "Not allowed to copy")
      .then((said) => {
        text(word, said);
        setTimeout(() => text(word, label), 2_000);
      });
  return h("button", { type: "button", class: "quiet", onclick }, icon(icons), word);
}

/** The result, or why there is none. @param {Snapshot} snapshot @returns {HTMLElement[]} */
export function outcome({ state, result, error }) {
  if (error) return [problem(error)];
  if (state === "lost") return [h("section", { class: "card problem" }, h("p", null, LOST))];
  if (state !== "succeeded" || result === null) return [];
  const element = part("Result", h("div", { class: "part-body" }, json(result)));
  element.firstElementChild?.append(copier("copy", "Copy", () => JSON.stringify(result, null, 2)));
  return [element];
}

/** RFC 9457. @param {Problem} error */
function problem({ title, detail, type, errors, traceback }) {
  return h(
    "section",
    { class: "card problem" },
    h("h2", { class: "said", dir: "auto" }, plain(title)),
    detail && detail !== title && h("p", null, long(detail)),
    errors?.map(({ pointer, detail }) => h("p", null, long(`${pointer} ${detail}`))),
    traceback && h("pre", { tabindex: "0", "aria-label": "Traceback" }, plain(traceback)),
    type !== "about:blank" && h("p", { class: "said small quiet-text mono", dir: "auto" }, plain(type)),
  );
}

/** @param {Snapshot} snapshot */
export function terminal({ id, kind, params, labels }) {
  const quoted = (/** @type {string} */ value) => `'${value.replaceAll("'", String.raw`'\''`)}'`;
  // JSON may say every character by its number, which no terminal takes for anything else.
  const body = JSON.stringify({ kind, params, ...(Object.keys(labels).length && { labels }) }).replace(
    /[\x7f-\x9f\u200e\u200f\u061c\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  const url = new URL("./operations", document.baseURI).href;
  const commands = {
    "Follow it": `curl -N ${quoted(`${url}/${id}/events`)}`,
    ...(kind !== "external" && {
      "Start it again": `curl ${quoted(url)} -H 'content-type: application/json' -d ${quoted(body)}`,
    }),
  };
  const rows = Object.entries(commands).map(([name, command]) => [
    h("div", { class: "command-head" }, h("h3", null, name), copier("copy", "Copy curl", () => command)),
    h("pre", { tabindex: "0", role: "group", "aria-label": name, class: "command" }, command.slice(0, 2_000)),
  ]);
  return part("From a terminal", h("div", { class: "part-body" }, rows));
}

/** Partial results, oldest first, so that what is read stays in its place. */
export class Outputs {
  /** @type {readonly Output[]} */
  #all = [];
  /** @type {Map<Output, HTMLElement>} */
  #items = new Map();
  #most = OUTPUTS;
  #counts = h("span", { class: "small quiet-text figures plain" });
  #earlier = h("button", { type: "button", class: "quiet more-text", hidden: true });
  #list = h("ol", { role: "list", class: "outputs" });
  element = h(
    "section",
    { class: "card", hidden: true },
    h("div", { class: "part-head" }, h("h2", null, "Outputs"), this.#counts),
    h("div", { class: "part-body" }, this.#earlier, this.#list),
  );

  constructor() {
    this.#earlier.addEventListener("click", () => {
      this.#most += OUTPUTS;
      this.#draw();
    });
  }

  /** @param {readonly Output[]} all @param {number} missed */
  show(all, missed) {
    if (all === this.#all) return;
    this.#all = all;
    this.element.hidden = !all.length;
    const lost = missed ? ` · ${number(missed)} earlier are no longer kept` : "";
    text(this.#counts, number(all.length) + lost);
    this.#draw();
  }

  #draw() {
    const wanted = new Set(this.#all.slice(-this.#most));
    for (const [output, item] of this.#items) {
      if (wanted.has(output)) continue;
      item.remove();
      this.#items.delete(output);
    }
    let next = this.#list.firstElementChild;
    for (const output of wanted) {
      let item = this.#items.get(output);
      if (!item) this.#items.set(output, (item = this.#item(output)));
      if (item === next) next = item.nextElementSibling;
      else this.#list.insertBefore(item, next);
    }
    const left = this.#all.length - wanted.size;
    this.#earlier.hidden = !left;
    text(this.#earlier, `Show ${number(Math.min(left, OUTPUTS))} earlier`);
  }

  /** @param {Output} output */
  #item({ time, data }) {
    const at = { class: "small quiet-text figures plain", datetime: time, title: dateTime(time) };
    return h("li", null, h("time", at, clockTime(time)), json(data));
  }
}

const clock = new Intl.DateTimeFormat("en", { timeStyle: "medium", hourCycle: "h23" });

/** The time of day. @param {string} iso */
export const clockTime = (iso) => clock.format(new Date(iso));

/** A time as how long ago it was. @param {HTMLTimeElement} element @param {string} iso @param {number} now */
export function tellTime(element, iso, now) {
  text(element, ago(iso, now));
  if (element.dateTime === iso) return;
  element.dateTime = iso;
  element.title = dateTime(iso);
}

// @ts-check
/** Log lines as a list of which only what is in view is in the document. */

import { dateTime, number } from "../format.js";
import { attribute, copyText, frame, h, icon, text } from "./dom.js";
import { plain } from "./json.js";
import { clockTime } from "./outcome.js";

/** @typedef {import("../client/index.js").LogMessage} Line */

/** Lines that are made above and below what is in view. */
const SPARE = 6;

/** Its place in the order of all. @param {Line} line */
const place = ({ cursor }) => Number(cursor.split("-")[1]);

const counted = (/** @type {number} */ n) => `${number(n)} line${n === 1 ? "" : "s"}`;

/** As it is shown, in columns of one width. @param {Line} line */
const shown = ({ step, message }) =>
  `${step ? `[${plain(step.slice(0, 60))}] ` : ""}${plain(message).replaceAll("\t", "    ")}`;

/** @param {Line} line */
const asText = ({ time, level, step, message }) =>
  `${time} ${level.toUpperCase()}${step ? ` [${plain(step)}]` : ""} ${plain(message)}\n`;

export class Log {
  /** @type {readonly Line[]} */
  #all = [];
  /** @type {Line[]} those that match what is searched for */
  #lines = [];
  /** @type {WeakMap<Line, number>} how many rows each takes */
  #heights = new WeakMap();
  /** Characters in a row, its pixels, and the rows above the text. */
  #columns = 80;
  #row = 20;
  #head = 0;
  /** Where each line begins, and the last one ends. */
  #tops = new Float64Array(1);
  /** @type {Map<Line, HTMLElement>} */
  #rows = new Map();
  #isFollowing = true;
  #wasAt = 0;
  #unseen = 0;
  #height = 0;
  #width = 0;
  #words = "";
  #dropped = 0;

  #counts = h("span", { class: "small quiet-text figures plain" });
  #search = h("input", { type: "search", placeholder: "Search", "aria-label": "Search the log" });
  #list = h("ol", { role: "list", class: "figures" });
  #ruler = h("span", null, "0".repeat(10));
  #probe = h("span", { class: "log-text" }, this.#ruler);
  #model = h("p", { class: "log-line log-probe", "aria-hidden": "true" }, h("i", null, "00:00:00"), h("i"));
  #space = h("div", { class: "log-space" }, this.#model, this.#list);
  // Not role=log: lines come and go as one scrolls, and all of them would be read out.
  #view = h("div", { class: "log-view", tabindex: 0, role: "group", "aria-label": "Log lines" }, this.#space);
  #none = h("p", { class: "log-none quiet-text" }, "No lines yet");
  #word = h("span", { class: "figures" });
  #follow = h("button", { type: "button", class: "log-follow", hidden: true }, icon("follow"), this.#word);
  #observer = new ResizeObserver(() => this.#resized());

  /** @param {string} name of the file that is downloaded */
  constructor(name) {
    this.#model.append(this.#probe);
    const copied = h("span", { class: "hidden", role: "status" });
    const copy = async () => {
      await copyText(this.#lines.map(asText).join(""));
      text(copied, `${counted(this.#lines.length)} copied`);
    };
    /** @param {string} image @param {string} title @param {() => void} onclick */
    const tool = (image, title, onclick) => {
      const props = { type: "button", class: "quiet bare", title, "aria-label": title, onclick };
      return h("button", props, icon(image));
    };
    const tools = h(
      "div",
      { class: "log-tools" },
      this.#search,
      tool("copy", "Copy what is shown", () => void copy().catch((error) => text(copied, error.message))),
      tool("download", "Download all", () => this.#download(name)),
      copied,
    );
    const head = h("div", { class: "part-head" }, h("h2", null, "Log"), this.#counts, tools);
    this.element = h(
      "section",
      { class: "card log" },
      head,
      h("div", { class: "log-frame" }, this.#view, this.#none, this.#follow),
    );
    const find = () => frame(() => this.#find());
    this.#search.addEventListener("input", find);
    this.#view.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    const follow = () => {
      this.#isFollowing = true;
      this.#view.focus({ preventScroll: true });
      this.#render();
    };
    this.#follow.addEventListener("click", follow);
    this.#view.addEventListener("keydown", ({ key }) => key === "End" && follow());
    this.#observer.observe(this.#view);
  }

  close() {
    this.#observer.disconnect();
  }

  /**
   * @param {readonly Line[]} all the newest, oldest first
   * @param {number} dropped how many came before them
   * @param {boolean} hasEnded
   */
  show(all, dropped, hasEnded) {
    text(this.#none, this.#words ? "Nothing matches" : hasEnded ? "It wrote no log." : "No lines yet");
    if (all === this.#all && dropped === this.#dropped) return;
    const last = this.#all.at(-1);
    const added = all.slice(last ? all.lastIndexOf(last) + 1 : 0).filter((line) => this.#matches(line));
    this.#all = all;
    this.#dropped = dropped;
    const anchor = this.#anchor();
    const from = all.length ? this.#at(place(all[0])) : 0;
    this.#lines = [...this.#lines.slice(from), ...added];
    if (!this.#isFollowing) this.#unseen += added.length;
    this.#layout(anchor);
  }

  #find() {
    const words = this.#search.value.toLowerCase();
    if (words === this.#words) return;
    this.#words = words;
    const anchor = this.#anchor();
    for (const row of this.#rows.values()) row.remove(); // what is marked in them is another
    this.#rows.clear();
    this.#lines = this.#all.filter((line) => this.#matches(line));
    text(this.#none, words ? "Nothing matches" : "No lines");
    this.#layout(anchor);
  }

  /** @param {Line} line */
  #matches({ level, message, step }) {
    return !this.#words || `${level}\n${step}\n${message}`.toLowerCase().includes(this.#words);
  }

  /** The first line that is not before that place. @param {number} wanted */
  #at(wanted) {
    let [low, high] = [0, this.#lines.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (place(this.#lines[middle]) < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The last line that begins at or above there. @param {number} y */
  #over(y) {
    let [low, high] = [0, Math.max(this.#lines.length - 1, 0)];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#tops[middle] <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** What is at the top of the view, to be found there again. */
  #anchor() {
    if (this.#isFollowing || !this.#lines.length) return null;
    const n = this.#over(this.#wasAt);
    return { place: place(this.#lines[n]), below: this.#wasAt - this.#tops[n] };
  }

  /**
   * How many rows a line takes is reckoned, not measured: nothing moves while one scrolls.
   * @param {Line} line
   */
  #rowsOf(line) {
    let rows = this.#heights.get(line);
    if (rows !== undefined) return rows;
    rows = this.#head;
    for (const part of shown(line).split("\n")) {
      const wide = part.match(/[^ -~]/g)?.length ?? 0; // what may be as wide as two
      rows += Math.max(Math.ceil((part.length + wide) / this.#columns), 1);
    }
    this.#heights.set(line, rows);
    return rows;
  }

  /** @param {{place: number, below: number} | null} anchor */
  #layout(anchor) {
    const lines = this.#lines;
    this.#tops = new Float64Array(lines.length + 1);
    lines.forEach((line, n) => (this.#tops[n + 1] = this.#tops[n] + this.#rowsOf(line) * this.#row));
    this.#space.style.blockSize = `${this.#tops[lines.length]}px`;
    this.#none.hidden = lines.length > 0;
    this.element.classList.toggle("empty", !this.#all.length);
    const all = counted(this.#all.length);
    const isAll = lines.length === this.#all.length;
    const shown = isAll ? (lines.length ? all : "") : `${number(lines.length)} of ${all}`;
    const dropped = this.#dropped ? ` · ${number(this.#dropped)} earlier are no longer kept` : "";
    text(this.#counts, shown + dropped);
    if (anchor && lines.length) {
      const top = this.#tops[this.#at(anchor.place)] + anchor.below;
      if (Math.abs(top - this.#wasAt) > 1) this.#view.scrollTop = this.#wasAt = top;
    }
    this.#render();
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.#view;
    if (scrollTop + clientHeight > scrollHeight - 4) this.#isFollowing = true;
    else if (scrollTop < this.#wasAt - 1) this.#isFollowing = false;
    this.#wasAt = scrollTop;
    this.#render(); // within the frame in which it is scrolled, or a hole would be seen
  }

  #resized() {
    const { clientHeight, clientWidth } = this.#view;
    this.#height = clientHeight;
    if (clientWidth !== this.#width) {
      this.#heights = new WeakMap();
      const { width } = this.#ruler.getBoundingClientRect();
      this.#columns = Math.floor((10 * this.#probe.clientWidth) / width) || 80;
      this.#row = this.#probe.clientHeight || 20;
      this.#head = this.#probe.offsetTop > 0 ? 1 : 0;
    }
    this.#width = clientWidth;
    this.#layout(this.#anchor());
  }

  #render() {
    const lines = this.#lines;
    const end = this.#tops[lines.length];
    if (this.#isFollowing) this.#wasAt = Math.max(end - this.#height, 0);
    const from = Math.max(this.#over(this.#wasAt) - SPARE, 0);
    const to = Math.min(this.#over(this.#wasAt + this.#height) + 1 + SPARE, lines.length);
    this.#place(lines.slice(from, to), from);
    this.#list.style.transform = `translateY(${this.#tops[from]}px)`;
    if (this.#isFollowing) {
      this.#unseen = 0;
      this.#view.scrollTop = this.#wasAt;
    }
    this.#follow.hidden = this.#isFollowing;
    text(this.#word, this.#unseen ? `${number(this.#unseen)} new` : "Follow");
  }

  /** @param {Line[]} lines @param {number} from */
  #place(lines, from) {
    const wanted = new Set(lines);
    for (const [line, row] of this.#rows) {
      if (wanted.has(line)) continue;
      if (row.contains(document.activeElement)) this.#view.focus({ preventScroll: true });
      row.remove();
      this.#rows.delete(line);
    }
    let next = this.#list.firstElementChild;
    lines.forEach((line, n) => {
      let row = this.#rows.get(line);
      if (!row) this.#rows.set(line, (row = this.#make(line)));
      attribute(row, "aria-posinset", String(from + n + 1));
      attribute(row, "aria-setsize", String(this.#lines.length));
      row.style.blockSize = `${this.#rowsOf(line) * this.#row}px`;
      if (row === next) next = row.nextElementSibling;
      else this.#list.insertBefore(row, next);
    });
  }

  /** @param {Line} line */
  #make(line) {
    const { time, level } = line;
    const body = h("div", { class: "log-text said", dir: "auto" }, this.#mark(shown(line)));
    const at = { class: "plain", datetime: time, title: dateTime(time) };
    const props = { class: "log-line", "data-level": level };
    return h("li", props, h("time", at, clockTime(time)), h("span", { class: "log-level" }, level), body);
  }

  /** @param {string} shown */
  #mark(shown) {
    const words = this.#words;
    const lower = shown.toLowerCase();
    if (!words || lower.length !== shown.length) return [shown]; // a few letters have another length in small
    /** @type {(Node | string)[]} */
    const parts = [];
    let from = 0;
    for (let at; (at = lower.indexOf(words, from)) >= 0; from = at + words.length) {
      parts.push(shown.slice(from, at), h("mark", null, shown.slice(at, at + words.length)));
    }
    return [...parts, shown.slice(from)];
  }

  /** @param {string} name */
  #download(name) {
    const url = URL.createObjectURL(new Blob(this.#all.map(asText), { type: "text/plain;charset=utf-8" }));
    h("a", { href: url, download: `${name}.log` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }
}

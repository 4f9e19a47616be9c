// @ts-check
/** Making and changing elements, and the one rhythm in which they change. */

import { PATHS } from "./icons.js";

/** @typedef {Node | string | number | null | undefined | false | Child[]} Child */

/**
 * Make an element: `h("button", { class: "quiet", onclick }, icon("copy"), "Copy")`.
 * Text becomes text nodes, never HTML. `h("svg:path", …)` makes SVG.
 * @template {string} Tag
 * @param {Tag} tag
 * @param {Record<string, any> | null} [props] listeners `on…`; all else attributes, unless false or null
 * @param {...Child} children
 * @returns {Tag extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[Tag] : HTMLElement}
 */
export function h(tag, props, ...children) {
  /** @type {any} */
  const element = tag.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value != null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of /** @type {any} */ (children).flat(Infinity)) {
    if (child != null && child !== false) element.append(child);
  }
  return element;
}

/** @param {Node} node @param {string} value */
export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

/** @param {Element} element @param {string} name @param {string | null} value null removes it */
export function attribute(element, name, value) {
  if (element.getAttribute(name) === value) return;
  if (value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}

/** @param {string} name one of icons.js @returns {SVGSVGElement} */
export function icon(name) {
  const path = h("svg:path", { d: PATHS[name] });
  return /** @type {any} */ (
    h("svg:svg", {
      class: `icon icon-${name}`,
      viewBox: "0 0 16 16",
      width: 16,
      height: 16,
      "aria-hidden": "true",
    }, path)
  );
}

/** @type {Set<() => void>} */
let callbacks = new Set();
let isScheduled = false;
let ranAt = -Infinity;

/**
 * Call back once, in the next animation frame that is 100 ms after the last one that was used.
 * A hidden page has no frames, and goes on by timer: its title is still seen.
 * @param {() => void} callback
 * @returns {() => void} its undo
 */
export function frame(callback) {
  callbacks.add(callback);
  if (!isScheduled) {
    isScheduled = true;
    const wait = ranAt + 100 - performance.now();
    const next = () => (document.hidden ? run() : requestAnimationFrame(run));
    if (wait > 8) setTimeout(next, wait);
    else next();
  }
  return () => void callbacks.delete(callback);
}

function run() {
  if (!isScheduled) return;
  isScheduled = false;
  ranAt = performance.now();
  const due = callbacks;
  callbacks = new Set();
  for (const callback of due) callback();
}

document.addEventListener("visibilitychange", () => document.hidden && run());

/**
 * Copy text, also where the page is not served securely and has no clipboard of its own.
 * @param {string} value
 */
export async function copyText(value) {
  if (navigator.clipboard) return navigator.clipboard.writeText(value);
  const area = h("textarea", { class: "hidden", "aria-hidden": "true" });
  area.value = value;
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

// @ts-check
/** The live page: one client, the shell, and which view is shown. */

import { ProgressClient } from "./client/index.js";
import { badge } from "./page/badge.js";
import { h, icon } from "./page/dom.js";
import { openForm } from "./page/form.js";
import { list } from "./page/list.js";
import { operation } from "./page/operation.js";

const base = new URL("./", document.baseURI);
const client = new ProgressClient(base);
const main = /** @type {HTMLElement} */ (document.getElementById("main"));

/** @type {{search: string, undo: () => void, show?: (query: URLSearchParams) => void} | null} */
let view = null;

/**
 * Show what the address says.
 * @param {number} top where the page was scrolled to when it was left, if it is come back to
 */
function route(top = 0) {
  const { search } = location;
  if (view?.search === search) return; // only the fragment is another
  const query = new URLSearchParams(search);
  const id = query.get("operation");
  if (view?.show && id === null) {
    view.search = search;
    return view.show(query);
  }
  const isFirst = !view;
  view?.undo();
  main.replaceChildren();
  const shown = id === null
    ? list(client, main, query, navigate, top)
    : { undo: operation(client, main, id, navigate) };
  view = { search, ...shown };
  scrollTo(0, top);
  if (isFirst) return;
  const heading = main.querySelector("h1") ?? main;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}

/** @param {string | URL} url */
function navigate(url) {
  const target = new URL(url, base);
  if (target.href === location.href) return;
  history.replaceState({ top: scrollY }, "");
  history.pushState(null, "", target);
  route();
}

/** Links within the page are followed without loading it again; all others by the browser. */
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element && event.target.closest("a");
  const isPlain = !event.button && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !isPlain || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
  const { origin, pathname, hash } = new URL(link.href);
  if (origin !== base.origin || pathname !== base.pathname || hash) return;
  event.preventDefault();
  navigate(link.href);
});

history.scrollRestoration = "manual";
addEventListener("popstate", ({ state }) => route(state?.top));

const start = h("button", { class: "primary", type: "button", "aria-label": "Start operation" });
start.addEventListener("click", () => openForm(client, navigate));
start.append(icon("start"), h("span", null, "Start", h("span", { class: "wide" }, " operation")));
document.getElementById("shell")?.append(h("div", { class: "gap" }), badge(client), start);
route();

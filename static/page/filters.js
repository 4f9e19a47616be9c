// @ts-check
/** What the list is filtered for: it stands in the address, and these controls change it. */

import { STATES } from "../format.js";
import { h, icon } from "./dom.js";

/**
 * @typedef {import("../client/index.js").ProgressClient} Client
 * @typedef {object} Filters
 * @property {HTMLElement} element
 * @property {(query: URLSearchParams) => void} show
 */

/** @param {Client} client @param {(url: string) => void} navigate @returns {Filters} */
export function filters(client, navigate) {
  let query = new URLSearchParams();
  /** @param {string} name @param {string} value @param {boolean} isWanted */
  const change = (name, value, isWanted) => {
    const next = new URLSearchParams(query);
    next.delete(name, value);
    if (isWanted) next.append(name, value);
    navigate(`./?${next}`.replace(/\?$/, "").replaceAll("%3A", ":"));
  };

  const states = Object.entries(STATES).map(([state, word]) => {
    const onchange = () => change("state", state, box.checked);
    const box = h("input", { type: "checkbox", class: "cover", onchange });
    return { state, box, label: h("label", { class: "pill", "data-state": state }, box, icon(state), word) };
  });

  const kind = h("select", {
    "aria-label": "Kind",
    onchange: () => kind.value && change("kind", kind.value, true),
  });
  kind.append(h("option", { value: "" }, "Kind"));
  client.kinds().then(
    (kinds) => kind.append(...kinds.map(({ kind }) => h("option", { value: kind }, kind))),
    () => {}, // the list tells why
  );

  const hint = "A label is written name:value.";
  const label = h("input", {
    "aria-label": "Label",
    placeholder: "label:value",
    title: hint,
    enterkeyhint: "search",
  });
  label.setAttribute("autocapitalize", "off");
  const onsubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const value = label.value.trim();
    const isOne = !value || /^[^:]+:/.test(value);
    label.setCustomValidity(isOne ? "" : hint);
    if (!label.reportValidity() || !value) return;
    label.value = "";
    change("label", value, true);
  };
  label.addEventListener("input", () => label.setCustomValidity(""));

  const chips = h("ul", { class: "chips", role: "list", "aria-label": "Filtered for" });
  const element = h(
    "form",
    { class: "filters", role: "search", "aria-label": "Filter operations", onsubmit },
    h(
      "fieldset",
      { class: "pills" },
      h("legend", { class: "hidden" }, "State"),
      ...states.map(({ label }) => label),
    ),
    h("div", { class: "choices" }, kind, label),
    chips,
  );

  return {
    element,
    show(shown) {
      query = shown;
      for (const { state, box } of states) box.checked = shown.has("state", state);
      kind.value = "";
      const had = chips.contains(document.activeElement);
      const wanted = [...shown].filter(([name]) => name === "kind" || name === "label");
      chips.replaceChildren(
        ...wanted.map(([name, value]) => chip(name, value, () => change(name, value, false))),
      );
      if (had) (chips.querySelector("button") ?? label).focus();
    },
  };
}

/** @param {string} name @param {string} value @param {() => void} onclick */
function chip(name, value, onclick) {
  const what = h("span", { class: "said line", dir: "auto" }, value);
  const remove = h("span", { class: "hidden" }, `Do not filter for ${name} `);
  return h("li", null, h("button", { type: "button", class: "chip", onclick }, remove, what, icon("cancel")));
}

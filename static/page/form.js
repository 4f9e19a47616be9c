// @ts-check
/** The dialog that starts an operation, with a form made from what the server says it takes. */

import { copyText, h, icon } from "./dom.js";
import { Fields, leaf } from "./fields.js";

/**
 * @typedef {import("../client/index.js").ProgressClient} Client
 * @typedef {import("../client/index.js").Kind} Kind
 * @typedef {{kind?: string, params?: unknown, labels?: Record<string, string>}} Initial
 */

/** Milliseconds after which it is said that the server has not answered yet. */
const PATIENCE = 3_000;

/**
 * @param {Client} client
 * @param {(url: string) => void} navigate
 * @param {Initial} [initial] what is filled in first
 */
export function openForm(client, navigate, initial = {}) {
  void new StartForm(client, navigate, initial).load();
}

class StartForm {
  #client;
  #navigate;
  #initial;
  #closed = new AbortController();
  /** @type {Map<string, Fields>} kept, so that looking at another kind loses nothing */
  #drafts = new Map();
  /** @type {Kind | null} */
  #kind = null;
  #labels;
  #picker = h("fieldset", { class: "kinds" }, h("legend", { class: "hidden" }, "Kind"));
  #body = h("div", { class: "params" });
  #status = h("p", { class: "status said", role: "alert" });
  #submit = h("button", { class: "primary" }, "Start");
  #curl = h("button", { type: "button", class: "quiet" }, icon("copy"), h("span", null, "Copy as curl"));
  #dialog;

  /** @param {Client} client @param {(url: string) => void} navigate @param {Initial} initial */
  constructor(client, navigate, initial) {
    this.#client = client;
    this.#navigate = navigate;
    this.#initial = initial;
    const lines = Object.entries(initial.labels ?? {}).map((label) => label.join(":"));
    this.#labels = leaf({
      schema: { type: "array", items: { type: "string" }, description: "name:value, to find it again" },
      title: "Labels",
      isRequired: false,
      isNullable: false,
      given: lines,
      pointer: "/labels",
    });
    const close = () => this.#dialog.close();
    const cross = h(
      "button",
      { type: "button", class: "quiet bare", "aria-label": "Close", onclick: close },
      icon("cancel"),
    );
    const cancel = h("button", { type: "button", onclick: close }, "Cancel");
    const head = h("div", { class: "start-head" }, h("h2", { id: "start-title" }, "Start operation"), cross);
    const onsubmit = (/** @type {Event} */ event) => {
      event.preventDefault();
      void this.#start();
    };
    const form = h(
      "form",
      { novalidate: true, onsubmit },
      head,
      h("div", { class: "panes" }, this.#picker, this.#body),
      this.#status,
      h("div", { class: "start-foot" }, this.#curl, h("span", { class: "gap" }), cancel, this.#submit),
    );
    this.#dialog = h("dialog", { class: "start", "aria-labelledby": "start-title" }, form);
    this.#curl.addEventListener("click", () => void this.#copyCurl());
    this.#dialog.addEventListener("close", () => {
      this.#closed.abort();
      this.#dialog.remove();
    });
    document.body.append(this.#dialog);
    this.#dialog.showModal();
  }

  async load() {
    this.#submit.disabled = this.#curl.disabled = true;
    try {
      // Who does the work elsewhere starts those: nobody here would.
      const kinds = (await this.#client.kinds()).filter(({ kind }) => kind !== "external");
      if (!kinds.length) return this.#say("This server has no operations that could be started.");
      this.#submit.disabled = this.#curl.disabled = false;
      this.#pick(kinds);
    } catch (error) {
      this.#say(`What can be started is not known: ${/** @type {Error} */ (error).message}`);
    }
  }

  /** @param {Kind[]} kinds */
  #pick(kinds) {
    const wanted = kinds.find(({ kind }) => kind === this.#initial.kind) ?? kinds[0];
    for (const kind of kinds) {
      const radio = h("input", {
        type: "radio",
        name: "kind",
        class: "cover",
        onchange: () => this.#show(kind),
      });
      const [first] = (kind.description ?? "").split("\n");
      const about = h("span", { class: "line small quiet-text", id: `kind-${kind.kind}` }, first);
      radio.checked = kind === wanted;
      radio.ariaLabel = kind.kind;
      radio.setAttribute("aria-describedby", about.id);
      const label = h(
        "label",
        { class: "kind-choice" },
        radio,
        h("span", { class: "said" }, kind.kind),
        about,
      );
      this.#picker.append(label);
      if (radio.checked) radio.focus();
    }
    this.#show(wanted);
  }

  /** @param {Kind} kind */
  #show(kind) {
    this.#kind = kind;
    let fields = this.#drafts.get(kind.kind);
    if (!fields) {
      const given = kind.kind === this.#initial.kind ? this.#initial.params : undefined;
      fields = new Fields(kind.params, given, "/params");
      this.#drafts.set(kind.kind, fields);
      if (!fields.all.length) {
        fields.element.append(h("p", { class: "quiet-text" }, "It takes no parameters."));
      }
    }
    const about = (kind.description ?? "").split("\n\n").map((part) => h("p", { class: "said" }, part));
    this.#body.replaceChildren(
      h("div", { class: "about quiet-text" }, ...about),
      fields.element,
      this.#labels.element,
    );
    this.#body.scrollTop = 0;
    this.#say("");
  }

  #request() {
    const { kind } = /** @type {Kind} */ (this.#kind);
    const params = /** @type {Fields} */ (this.#drafts.get(kind)).read();
    const lines = /** @type {string[]} */ (this.#labels.read() ?? []);
    /** @type {Record<string, string>} */
    const labels = {};
    for (const line of lines) {
      const [name, ...rest] = line.split(":");
      labels[name.trim()] = rest.join(":").trim();
    }
    return { kind, params, labels };
  }

  async #start() {
    if (!this.#kind || this.#submit.ariaDisabled === "true") return;
    const { kind, params, labels } = this.#request();
    const fields = /** @type {Fields} */ (this.#drafts.get(kind));
    this.#say("");
    this.#labels.say("");
    const odd = Object.values(labels).includes("");
    if (
      this.#fail(fields, [
        ...fields.check(),
        ...(odd ? [{ pointer: "/labels", detail: "Write name:value." }] : []),
      ])
    ) return;
    this.#busy(true);
    const late = setTimeout(() => this.#say("The server has not answered yet; it is tried again."), PATIENCE);
    try {
      const operation = await this.#client.start(kind, params, { labels, signal: this.#closed.signal });
      operation.close();
      this.#dialog.close();
      this.#navigate(`./?operation=${encodeURIComponent(operation.id)}`);
    } catch (thrown) {
      const error = /** @type {any} */ (thrown);
      if (!this.#closed.signal.aborted && !this.#fail(fields, error.problem?.errors ?? [])) {
        this.#say(error.message);
      }
    } finally {
      clearTimeout(late);
      this.#busy(false);
    }
  }

  /**
   * @param {Fields} fields
   * @param {readonly {pointer: string, detail: string}[]} errors
   * @returns {boolean} whether there were any
   */
  #fail(fields, errors) {
    const homeless = fields.show(errors);
    const labels = errors.find(({ pointer }) => /^#?\/labels/.test(pointer));
    if (labels) {
      this.#labels.say(labels.detail);
      if (errors[0] === labels) this.#labels.control.focus();
    }
    this.#say(homeless.filter((detail) => detail !== labels?.detail).join(" "));
    return errors.length > 0;
  }

  /** @param {boolean} isBusy */
  #busy(isBusy) {
    this.#submit.ariaDisabled = isBusy ? "true" : null;
    this.#submit.textContent = isBusy ? "Starting…" : "Start";
  }

  async #copyCurl() {
    const { kind, params, labels } = this.#request();
    const body = JSON.stringify({ kind, params, ...(Object.keys(labels).length && { labels }) });
    const quoted = `'${body.replaceAll("'", String.raw`'\''`)}'`;
    const url = new URL("./operations", document.baseURI);
    const label = /** @type {HTMLElement} */ (this.#curl.lastChild);
    try {
      await copyText(`curl ${url} -H 'content-type: application/json' -d ${quoted}`);
      label.textContent = "Copied";
    } catch {
      label.textContent = "Not allowed to copy";
    }
    setTimeout(() => (label.textContent = "Copy as curl"), 2_000);
  }

  /** @param {string} message */
  #say(message) {
    this.#status.textContent = message;
  }
}

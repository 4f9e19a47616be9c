// @ts-check
/** What stands in place of the list: why there is nothing, and what to do about it. */

import { copyText, h, icon } from "./dom.js";
import { openForm } from "./form.js";

export class Notice {
  element = h("div", { class: "blank card", hidden: true });
  #said = "";
  #client;
  #navigate;
  #retry;

  /**
   * @param {import("../client/index.js").ProgressClient} client
   * @param {(url: string | URL) => void} navigate
   * @param {() => void} again
   */
  constructor(client, navigate, again) {
    this.#client = client;
    this.#navigate = navigate;
    this.#retry = h("button", { type: "button", onclick: again }, icon("again"), "Try again");
  }

  /**
   * @param {any} error
   * @param {boolean} isFinal nobody tries again
   */
  fail(error, isFinal) {
    const retry = isFinal && this.#retry;
    const status = error?.status;
    if (status === 401 || status === 403) {
      const what = "The server does not let you see its operations. Sign in where you came from.";
      this.#say("No access", `${what} It said: ${error.message}`, retry);
    } else if (status >= 400 && status < 500) {
      const errors = error.problem?.errors ?? [];
      const what = errors.map((/** @type {{detail: string}} */ { detail }) => detail).join(" ");
      this.#say("The server did not understand", what || error.message, retry, all());
    } else {
      const what = "It may be starting again, or the network is gone.";
      const then = isFinal ? "" : " This page goes on by itself once it is back.";
      this.#say("The server does not answer", what + then, retry);
    }
  }

  empty() {
    if (/[?&](state|kind|label)=/.test(location.search)) {
      return this.#say("No operation matches", "New ones that do will appear here.", all());
    }
    const url = new URL("./operations", document.baseURI);
    const line = `curl ${url} -H 'content-type: application/json' -d '{"kind":"…","params":{}}'`;
    const copy = h("button", { type: "button", class: "quiet" }, icon("copy"), "Copy");
    copy.addEventListener("click", () => void copyText(line));
    const text = h("pre", { tabindex: "0", "aria-label": "Command" }, line);
    const start = h("button", { type: "button", class: "primary" }, icon("start"), "Start operation");
    start.addEventListener("click", () => openForm(this.#client, this.#navigate));
    const how = "Start an operation here, or from a terminal:";
    this.#say("Nothing has run yet", how, h("div", { class: "command" }, text, copy), start);
  }

  /**
   * @param {string} title
   * @param {string} detail
   * @param {...(Node | false)} actions
   */
  #say(title, detail, ...actions) {
    if (this.#said === (this.#said = title + detail)) return;
    const say = h("p", { class: "quiet-text said", dir: "auto" }, detail);
    this.element.replaceChildren(h("h2", null, title), say, h("div", { class: "actions" }, ...actions));
  }
}

const all = () => h("a", { class: "button", href: "./" }, "Show all operations");

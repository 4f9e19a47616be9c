// @ts-check
/** `<operation-progress>`: an operation as a live bar. */

import { hasEnded, ProgressClient } from "./client/index.js";
import { called, eta, percent, status, whole } from "./words.js";

const CSS = `
:host { display: block; position: relative; font-variant-numeric: tabular-nums }
:host([hidden]), [hidden] { display: none !important }
[part=head], [part=foot] { display: flex; gap: 1em; justify-content: space-between }
[part=foot] { font-size: 0.875em; min-block-size: 1lh }
[part=label], [part=message] { overflow-wrap: anywhere }
[part=message] { overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
[part=eta] { flex: none }
[part=track] { block-size: var(--progress-height, 0.5em); border-radius: var(--progress-radius, 1em);
  background: var(--progress-track-color, #8884); overflow: hidden; margin-block: 0.25em }
[part=bar] { block-size: 100%; inline-size: 0; border-radius: inherit;
  background: var(--progress-color, #3a76e0); transition: inline-size 0.2s linear }
:host(:state(succeeded)) [part=bar] { background: #218a4c }
:host(:is(:state(failed), :state(lost))) [part=bar] { background: #d9483b }
:host(:state(failed)) [part=message] { white-space: normal }
:host(:state(cancelled)) [part=bar] { background: gray }
:host(:state(indeterminate)) [part=bar] {
  inline-size: 30%; margin-inline: 35%; animation: go 1s infinite alternate }
@keyframes go { 0% { translate: -116% } to { translate: 116% } }
[part=voice] { position: absolute; block-size: 1px; overflow: hidden; clip-path: inset(50%) }
@media (prefers-reduced-motion) { [part=bar] { transition: none; animation: none !important } }
@media (forced-colors: active) {
  [part=track] { border: 1px solid } [part=bar] { background: Highlight !important } }
`;

/** @type {CSSStyleSheet | undefined} */
let sheet;
/** @type {Map<string, ProgressClient>} by their bases */
const clients = new Map();

/** @param {string} part @param {Node[]} children */
function div(part, ...children) {
  const element = document.createElement("div");
  element.part.add(part);
  element.append(...children);
  return element;
}

/** @param {any} node @param {string} name @param {unknown} value */
function write(node, name, value) {
  if (node[name] !== value) node[name] = value;
}

export class OperationProgressElement extends (globalThis.HTMLElement ?? Object) {
  static observedAttributes = ["src", "label", "aria-label"];

  /** @type {ProgressClient | null} it may have been set before this class was there, as may `operation` */
  client = /** @type {any} */ (this).client ?? null;
  /** @type {import("./client/index.js").Operation | null} */
  #operation = null;
  #isGiven = false;
  #isOver = false;
  #stop = () => {};
  #frame = 0;
  #progress = {};
  #state = "";
  #tenth = 0;
  #states = this.attachInternals().states;
  #label = div("label");
  #value = div("value");
  #bar = div("bar");
  #track = div("track", this.#bar);
  #message = div("message");
  #eta = div("eta");
  #head = div("head", this.#label, this.#value);
  #base = div("base", this.#head, this.#track, div("foot", this.#message, this.#eta));
  #slot = document.createElement("slot");
  #voice = div("voice");

  constructor() {
    super();
    if (!sheet) {
      sheet = new CSSStyleSheet();
      sheet.replaceSync(CSS);
    }
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    this.#base.hidden = true;
    root.append(this.#base, this.#slot, this.#voice);
    this.#label.dir = this.#message.dir = "auto";
    this.#track.role = "progressbar";
    this.#track.ariaValueMin = "0";
    this.#track.ariaValueMax = "100";
    this.#voice.role = "status"; // it would be mute in the bar
    const { operation } = this;
    if (delete (/** @type {any} */ (this).operation) && operation) this.operation = operation;
  }

  get operation() {
    return this.#operation;
  }
  set operation(operation) {
    this.#leave();
    this.#isGiven = operation !== null;
    this.#operation = operation;
    if (this.isConnected) this.#follow();
  }

  get value() {
    return this.#operation?.fraction ?? null;
  }

  connectedCallback() {
    this.#follow();
  }

  disconnectedCallback() {
    this.#leave();
  }

  connectedMoveCallback() {}

  /** @param {string} name */
  attributeChangedCallback(name) {
    if (!this.isConnected) return;
    this.#later();
    if (name !== "src" || this.#isGiven) return;
    this.#leave();
    this.#follow();
  }

  #follow() {
    this.#later();
    const src = this.getAttribute("src");
    if (!this.#isGiven) {
      if (src === null) return;
      const [, base, id] = /^(.*\/)operations\/([\w-]+)$/.exec(`${URL.parse(src, document.baseURI)}`) ?? [];
      if (base) {
        let client = this.client ?? clients.get(base);
        if (!client) clients.set(base, (client = new ProgressClient(base)));
        this.#operation = client.watch(id);
      }
    }
    this.#say("loadstart");
    if (!this.#operation) return this.#end("error");
    this.#stop = this.#operation.subscribe(() => this.#changed());
    this.#changed();
  }

  #leave() {
    this.#stop();
    this.#isOver = false;
    this.#voice.textContent = this.#state = "";
    this.#tenth = 0;
    if (this.#isGiven) return;
    this.#operation?.close();
    this.#operation = null;
  }

  #changed() {
    this.#later();
    const { snapshot, error } = this.#operation ?? {};
    // At once: a hidden page has no frames.
    if (error) this.#end("error");
    const state = snapshot?.state;
    if (!state || !hasEnded(state)) return;
    this.#end(state === "succeeded" ? "load" : state === "cancelled" ? "abort" : "error");
  }

  /** @param {string} type */
  #end(type) {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#say(type);
    this.#say("loadend");
  }

  /** @param {string} type */
  #say(type) {
    const { completed = null, total = null } = this.#operation?.snapshot?.progress ?? {};
    const init = { lengthComputable: total !== null, loaded: completed ?? 0, total: total ?? 0 };
    const event = new ProgressEvent(type, init);
    queueMicrotask(() => this.dispatchEvent(event)); // to later listeners, too
  }

  #later() {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    if (!this.isConnected) return;
    const { snapshot, fraction = null, error } = this.#operation ?? {};
    const isHidden = !snapshot || !!error;
    this.#base.hidden = isHidden;
    this.#slot.hidden = !isHidden;
    this.#states.clear();
    if (isHidden) return;
    const { state, progress, error: problem } = snapshot;
    const isKnown = fraction !== null;
    const isRunning = state === "running";
    const label = this.getAttribute("label") || this.ariaLabel || called(snapshot);
    const name = this.ariaLabel || label;
    const failure = problem && (problem.detail || problem.title);
    const words = status(snapshot, fraction);
    const all = failure ? `${words}: ${failure}` : words;
    this.#states.add(state);
    if (!isKnown && /ing$/.test(state)) this.#states.add("indeterminate");
    this.#bar.style.inlineSize = isKnown ? `${fraction * 100}%` : "";
    write(this.#track, "ariaLabel", name);
    write(this.#track, "ariaValueNow", isKnown ? `${whole(fraction)}` : null);
    write(this.#track, "ariaValueText", all);
    write(this.#label, "textContent", label);
    write(this.#value, "textContent", (isRunning && percent(fraction)) || words);
    write(this.#message, "textContent", failure || progress.message || "");
    write(this.#eta, "textContent", eta(isRunning ? progress.eta : null));

    const tenth = Math.floor((fraction ?? 0) * 10);
    const isNews = state !== this.#state || tenth > this.#tenth;
    if (this.#state && isNews) this.#voice.textContent = `${name}: ${all}`;
    if (progress !== this.#progress && !this.#isOver) this.#say("progress");
    this.#tenth = Math.max(tenth, this.#tenth);
    this.#state = state;
    this.#progress = progress;
  }
}

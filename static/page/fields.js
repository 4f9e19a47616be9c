// @ts-check
/** Form fields made from a JSON Schema, as msgspec writes it. What cannot be drawn is asked for as JSON. */

import { number } from "../format.js";
import { attribute, h } from "./dom.js";

/**
 * @typedef {Record<string, any>} Schema
 * @typedef {{pointer: string, detail: string}} FieldError
 *
 * @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control
 *
 * @typedef {object} Field
 * @property {string} pointer of its value, e.g. `/params/rows`
 * @property {() => unknown} read its value; undefined: leave it out
 * @property {() => string} check what is wrong with it, or nothing
 * @property {(detail: string) => void} say
 * @property {HTMLElement} control
 * @property {HTMLElement} element
 */

/** How deep objects are drawn within each other: a schema may contain itself. */
const DEPTH = 3;

/** @type {Record<string, string>} */
const TYPES = { email: "email", uri: "url", date: "date", time: "time", "date-time": "datetime-local" };

let ids = 0;

export class Fields {
  element = h("div", { class: "fields" });
  /** @type {Field[]} */
  all = [];
  #root;
  #read;

  /**
   * @param {Schema} schema of an object
   * @param {unknown} value what is filled in first
   * @param {string} pointer
   */
  constructor(schema, value, pointer) {
    this.#root = schema;
    this.#read = this.#object(this.element, schema, value ?? {}, pointer, 0);
  }

  /** @returns {Record<string, unknown>} */
  read() {
    return /** @type {any} */ (this.#read()) ?? {};
  }

  /** @returns {FieldError[]} */
  check() {
    return this.all.map(({ pointer, check }) => ({ pointer, detail: check() })).filter(({ detail }) =>
      detail
    );
  }

  /**
   * Show errors at their fields, and go to the first; return those that have none.
   * @param {readonly FieldError[]} errors
   */
  show(errors) {
    for (const { say } of this.all) say("");
    const homeless = [];
    const found = new Set();
    for (const { pointer, detail } of errors) {
      const missing = detail.match(/missing required field `(.+)`/)?.[1];
      const place = pointer.replace(/^#/, "") + (missing ? `/${missing}` : "");
      const field = this.all.find(({ pointer }) => place === pointer || place.startsWith(`${pointer}/`));
      const line = field && place.slice(field.pointer.length).match(/^\/(\d+)$/)?.[1];
      field?.say(line ? `Line ${Number(line) + 1}: ${detail}` : missing ? "This is required." : detail);
      if (field) found.add(field);
      else homeless.push(detail);
    }
    this.all.find((field) => found.has(field))?.control.focus();
    return homeless;
  }

  /**
   * @param {HTMLElement} parent
   * @param {Schema} schema
   * @param {any} value null: it is left out, unless something is filled in
   * @param {string} pointer
   * @param {number} depth
   * @returns {() => unknown}
   */
  #object(parent, schema, value, pointer, depth) {
    const required = new Set(schema.required);
    const first = this.all.length;
    const reads = Object.entries(/** @type {Record<string, Schema>} */ (schema.properties ?? {})).map(
      ([name, property]) => {
        const { schema, isNullable } = plain(property, this.#root);
        const at = `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
        const isRequired = required.has(name);
        const given = value === null ? undefined : (value[name] ?? schema.default);
        if (schema.properties && depth < DEPTH) {
          const isOptional = isNullable || !isRequired;
          const about = [schema.description, isOptional && given == null && "optional"].filter(Boolean).join(
            " · ",
          );
          const group = h(
            "fieldset",
            { class: "group" },
            h("legend", null, name, " ", h("span", { class: "hint" }, about)),
          );
          parent.append(group);
          const read = this.#object(group, schema, given ?? (isOptional ? null : {}), at, depth + 1);
          return { name, read };
        }
        const title = schema.title ?? name;
        const field = leaf({ schema, title, isRequired, isNullable, given, pointer: at });
        parent.append(field.element);
        this.all.push(field);
        return { name, read: field.read };
      },
    );
    const read = () => {
      const entries = reads.map(({ name, read }) => [name, read()]).filter(([, value]) =>
        value !== undefined
      );
      return entries.length || value !== null ? Object.fromEntries(entries) : undefined;
    };
    for (const field of value === null ? this.all.slice(first) : []) {
      const { check } = field;
      field.check = () => (read() === undefined ? "" : check());
    }
    return read;
  }
}

/**
 * Follow references, and take "or null" apart.
 * @param {Schema} schema
 * @param {Schema} root
 */
function plain(schema, root) {
  let isNullable = false;
  for (let turns = 0; turns < 20; turns++) {
    const { $ref, anyOf, oneOf, type, ...rest } = schema;
    const options = anyOf ?? oneOf ?? (Array.isArray(type) ? type.map((type) => ({ type })) : null);
    if ($ref) {
      const target = $ref.split("/").slice(1).reduce(
        (/** @type {any} */ at, /** @type {string} */ key) => at?.[key],
        root,
      );
      schema = { ...target, ...rest };
    } else if (options) {
      const some = options.filter((/** @type {Schema} */ option) => option.type !== "null");
      isNullable ||= some.length < options.length;
      if (some.length !== 1) break;
      schema = { ...rest, ...some[0] };
    } else break;
  }
  return { schema, isNullable };
}

/**
 * @typedef {{schema: Schema, title: string, isRequired: boolean, isNullable: boolean}} Property
 *
 * One field: label, control, hint, error.
 * @param {Property & {given: unknown, pointer: string}} options
 * @returns {Field}
 */
export function leaf({ schema, title, isRequired, isNullable, given, pointer }) {
  const id = `field-${++ids}`;
  const { control, parse, hint } = controlFor(schema, given, isRequired);
  const isBox = control instanceof HTMLInputElement && control.type === "checkbox";
  const hints = [schema.description, hint].filter(Boolean).join(" · ");
  const note = h("p", { class: "hint said", id: `${id}-hint` }, hints);
  const error = h("p", { class: "error said", id: `${id}-error`, hidden: true });
  const mayBeEmpty = schema.type === "array" && !schema.minItems;
  const needs = isRequired && !isBox && !isNullable && !mayBeEmpty;
  const required = needs && h("span", { class: "hint" }, "required");
  control.id = id;
  if (required) attribute(control, "required", "");
  if (hints) attribute(control, "aria-describedby", note.id);
  const label = h("label", { for: id }, h("span", { class: "said" }, title), required);
  const element = h("div", { class: isBox ? "field box" : "field" }, label, control, hints && note, error);
  const isBlank = () => !isBox && control.value.trim() === "";

  const read = () => {
    if (isBlank() && isNullable) return isRequired || given != null ? null : undefined;
    if (isBlank()) return isRequired && mayBeEmpty ? [] : undefined;
    try {
      return parse();
    } catch {
      return control.value; // the server says what is wrong with it; so does `check`
    }
  };
  const check = () => {
    if (control.validity.badInput) return control.validationMessage; // such a field seems to be blank
    if (isBlank()) return needs ? "This is required." : "";
    try {
      parse();
      return control.validationMessage;
    } catch (thrown) {
      return `This is not JSON: ${/** @type {Error} */ (thrown).message}`;
    }
  };
  const say = (/** @type {string} */ detail) => {
    error.textContent = detail;
    error.hidden = !detail;
    attribute(control, "aria-invalid", detail ? "true" : null);
    attribute(
      control,
      "aria-describedby",
      [hints && note.id, detail && error.id].filter(Boolean).join(" ") || null,
    );
  };
  control.addEventListener("input", () => say(""));
  return { pointer, control, element, read, check, say };
}

/**
 * @param {Schema} schema
 * @param {any} given
 * @param {boolean} isRequired
 * @returns {{control: Control, parse: () => unknown, hint?: string}}
 */
function controlFor(schema, given, isRequired) {
  const { type, minimum, maximum, items } = schema;
  const options = schema.const === undefined ? schema.enum : [schema.const];
  if (options) return choice(options, given, isRequired);
  if (type === "boolean") {
    const control = h("input", { type: "checkbox" });
    control.checked = Boolean(given);
    return {
      control,
      parse: () => (control.checked || isRequired || given !== undefined ? control.checked : undefined),
    };
  }
  if (type === "integer" || type === "number") {
    const control = h("input", {
      type: "number",
      min: minimum,
      max: maximum,
      step: type === "integer" ? 1 : "any",
    });
    control.value = given ?? "";
    const [low, high] = [minimum, maximum].map((bound) => (bound === undefined ? null : number(bound)));
    const hint = low && high ? `${low} to ${high}` : low ? `at least ${low}` : high ? `at most ${high}` : "";
    return { control, parse: () => Number(control.value), hint };
  }
  if (type === "string") return line(schema, given);
  if (type === "array" && /^(string|integer|number)$/.test(items?.type) && !items.enum) {
    const control = h("textarea", { rows: 3, spellcheck: "false", dir: "auto" });
    control.value = Array.isArray(given) ? given.join("\n") : "";
    const parse = () => {
      const lines = control.value.split("\n").map((line) => line.trim());
      return lines.filter(Boolean).map((
        line,
      ) => (items.type === "string" || isNaN(Number(line)) ? line : Number(line)));
    };
    return { control, parse, hint: "one per line" };
  }
  const control = h("textarea", { rows: 4, spellcheck: "false", class: "mono", dir: "ltr" });
  control.value = given == null ? "" : JSON.stringify(given, null, 2);
  return { control, parse: () => JSON.parse(control.value), hint: "JSON" };
}

/** @param {unknown[]} options @param {unknown} given @param {boolean} isRequired */
function choice(options, given, isRequired) {
  const control = h("select", null);
  if (!isRequired || given === undefined) {
    control.append(h("option", { value: "" }, isRequired ? "Choose…" : ""));
  }
  control.append(...options.map((option, index) => h("option", { value: index }, String(option))));
  const index = options.indexOf(given);
  control.value = index < 0 ? control.value : String(index);
  return { control, parse: () => options[Number(control.value)] };
}

/** @param {Schema} schema @param {any} given */
function line({ format, minLength, maxLength, contentEncoding }, given) {
  const isLong = maxLength > 200 || contentEncoding;
  const control = h(isLong ? "textarea" : "input", { dir: "auto", spellcheck: format ? "false" : null });
  if (control instanceof HTMLInputElement) control.type = TYPES[format] ?? "text";
  const isTime = control instanceof HTMLInputElement && control.type === "datetime-local";
  control.value = isTime && given ? String(given).slice(0, 16) : given ?? "";
  const parse = () => (isTime ? new Date(control.value).toISOString() : control.value);
  const hint = [
    format === "path" && "a path on the server",
    minLength > 1 && `at least ${minLength} characters`,
  ];
  return { control, parse, hint: hint.filter(Boolean).join(" · ") };
}

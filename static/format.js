// @ts-check
/** Amounts and times as the page shows them, and all words of words.js. */

import { called, count, largest, locale, number, numbers, status, word } from "./words.js";

export { called, duration, eta, number, percent } from "./words.js";

/** @type {Readonly<Record<string, string>>} */
export const STATES = Object.fromEntries(
  "queued running cancelling succeeded failed cancelled lost".split(" ").map((state) => [state, word(state)]),
);

/** "copy: 42 percent, about 2 minutes left" @type {typeof status} */
export function summary(snapshot, fraction) {
  const { error } = snapshot;
  return `${called(snapshot)}: ${status(snapshot, fraction)}${error ? `: ${error.detail || error.title}` : ""}`;
}

/** Three digits, none of them beyond a thousandth. */
const rough = numbers({
  maximumSignificantDigits: 3,
  maximumFractionDigits: 3,
  roundingPriority: "lessPrecision",
});
const dates = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "long" });

/**
 * By what to divide, and what it is then.
 * @param {number} n
 * @param {string | null} unit
 */
function scale(n, unit) {
  // What would be rounded to 1,000 kB is 1 MB.
  const power = unit === "bytes" ? Math.min(Math.floor(Math.log10(n * 1.001) / 3), 5) : 0;
  if (power > 0) return { by: 1_000 ** power, name: ` ${" kMGTP"[power]}B` };
  return { by: 1, name: unit ? ` ${unit}` : "" };
}

/**
 * "256 of 1,024 files", "1.2 of 5.4 GB"
 * @param {number | null} completed
 * @param {number | null} total
 * @param {string | null} unit
 */
export function amount(completed, total, unit) {
  if (completed === null) return "";
  const { by, name } = scale(total ?? completed, unit);
  const show = (/** @type {number} */ n) => (by > 1 ? rough : number)(n / by);
  return `${show(completed)}${total === null ? "" : ` of ${show(total)}`}${name}`;
}

/**
 * "12.3 MB/s"
 * @param {number | null} rate
 * @param {string | null} unit
 */
export function rate(rate, unit) {
  if (rate === null) return "";
  const { by, name } = scale(rate, unit);
  return `${rough(rate / by)}${name}/s`;
}

/** "1:03:20" @param {number} seconds */
export function brief(seconds) {
  const hours = Math.floor(seconds / 3_600);
  const rest = new Date(seconds * 1_000).toISOString().slice(14, 19);
  return hours ? `${hours}:${rest}` : rest.replace(/^0/, "");
}

/** With its zone. @param {string} iso */
export const dateTime = (iso) => dates.format(new Date(iso));

/**
 * "3 minutes ago"
 * @param {string} iso
 * @param {number} now milliseconds
 */
export function ago(iso, now) {
  const seconds = (now - Date.parse(iso)) / 1_000;
  if (seconds < 1) return "now"; // or a little later: clocks differ
  return seconds < 86_400 ? `${count(seconds, largest(seconds))} ago` : dateTime(iso);
}

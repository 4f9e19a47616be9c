// @ts-check
/** An operation in English words, with the digits of the page's language. */

export let locale = "en";
try {
  const lang = document.documentElement.lang || locale;
  // Of the reader's region, where he reads it.
  [locale] = Intl.getCanonicalLocales(navigator.languages.find((one) => one.startsWith(lang)) ?? lang);
} catch {} // there is no page, or that is no language

/** @param {Intl.NumberFormatOptions} options */
export const numbers = (options) => new Intl.NumberFormat(locale, options).format;
export const number = numbers({ maximumFractionDigits: 2 });
const percents = numbers({ style: "percent" });

/** @param {string} state */
export const word = (state) => state[0].toUpperCase() + state.slice(1);

/**
 * What it is called: its kind, or what it says itself of work that is done elsewhere.
 * @param {{kind: string, params: any}} snapshot
 * @returns {string}
 */
export const called = ({ kind, params }) => (kind === "external" && params?.label) || kind;

/** Whole percents, 100 only for 1. @param {number} fraction */
export const whole = (fraction) => Math.min(Math.floor(fraction * 100 + 1e-9), fraction < 1 ? 99 : 100);

/** @param {number | null} fraction */
export const percent = (fraction) => (fraction === null ? "" : percents(whole(fraction) / 100));

const NAMES = ["day", "hour", "minute", "second"];
const LENGTHS = [86_400, 3_600, 60, 1];

/** The largest unit that fits. @param {number} seconds */
export const largest = (seconds) => LENGTHS.findIndex((length) => seconds >= length || length === 1);

/** @param {number} seconds @param {number} unit */
export function count(seconds, unit) {
  const n = Math.floor(seconds / LENGTHS[unit]);
  return `${number(n)} ${NAMES[unit]}${n === 1 ? "" : "s"}`;
}

/** @param {number} seconds */
export function duration(seconds) {
  const unit = largest(seconds);
  const rest = seconds % LENGTHS[unit];
  return count(seconds, unit) + (rest >= LENGTHS[unit + 1] ? ` ${count(rest, unit + 1)}` : "");
}

/** No more exact than anybody can know. @param {number | null} seconds */
export function eta(seconds) {
  if (seconds === null) return "";
  if (seconds < 5) return "a moment left";
  const step = seconds < 60 ? 5 : seconds < 3_600 ? 60 : seconds < 86_400 ? 300 : 3_600;
  return `about ${duration(Math.round(seconds / step) * step)} left`;
}

/**
 * "42 percent, about 2 minutes left"
 * @param {import("./client/index.js").Snapshot} snapshot
 * @param {number | null} fraction
 */
export function status({ state, progress: { position, eta: left } }, fraction) {
  const isRunning = state === "running";
  const words = isRunning && fraction !== null ? [] : [word(state)];
  if (/ing$/.test(state) && fraction !== null) words.push(`${number(whole(fraction))} percent`);
  if (isRunning && left !== null) words.push(eta(left));
  if (state === "queued" && position) words.push(`place ${number(position)}`);
  return words.join(", ");
}

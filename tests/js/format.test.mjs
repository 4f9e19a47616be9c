/** What people read: numbers, units and times in words, at their boundaries and in other languages. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  ago,
  amount,
  brief,
  called,
  dateTime,
  duration,
  eta,
  number,
  percent,
  rate,
  STATES,
  summary,
} from "../../static/format.js";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * @template T
 * @param {(value: T) => string} format
 * @param {[T, string][]} cases
 */
function check(format, cases) {
  for (const [value, expected] of cases) assert.equal(format(value), expected, `of ${JSON.stringify(value)}`);
}

/** @param {Record<string, unknown>} of */
const snapshot = ({ kind = "copy", state = "running", error = null, ...progress } = {}) =>
  /** @type {any} */ ({ kind, state, error, progress: { position: null, eta: null, ...progress } });

test("percents are floored, and 100 is the end", () => {
  check(percent, [
    [null, ""],
    [0, "0%"],
    [0.009, "0%"],
    [0.01, "1%"],
    [0.999, "99%"],
    [1 - Number.EPSILON, "99%"],
    [1, "100%"],
  ]);
  for (let n = 0; n <= 100; n++) assert.equal(percent(n / 100), `${n}%`); // 0.29 * 100 is less than 29
});

test("numbers are grouped", () => {
  check(number, [
    [0, "0"],
    [1024, "1,024"],
    [0.126, "0.13"],
    [2 ** 53, "9,007,199,254,740,992"],
  ]);
});

test("amounts", () => {
  assert.equal(amount(256, 1024, "files"), "256 of 1,024 files");
  assert.equal(amount(256, null, "files"), "256 files");
  assert.equal(amount(256, null, null), "256");
  assert.equal(amount(0, 0, "files"), "0 of 0 files");
  assert.equal(amount(null, 10, "files"), "");
  assert.equal(amount(null, null, null), "");
});

test("amounts of bytes have one unit, that of the total", () => {
  assert.equal(amount(1.2e9, 5.4e9, "bytes"), "1.2 of 5.4 GB");
  assert.equal(amount(12, 5.4e9, "bytes"), "0 of 5.4 GB");
  assert.equal(amount(0, 999, "bytes"), "0 of 999 bytes");
  check((/** @type {number} */ bytes) => amount(bytes, null, "bytes"), [
    [0, "0 bytes"],
    [999, "999 bytes"],
    [1_000, "1 kB"],
    [999_499, "0.999 MB"], // never "1,000 kB"
    [1e6, "1 MB"],
    [123_456_789, "123 MB"],
    [2e12, "2 TB"],
    [2 ** 53, "9.01 PB"],
  ]);
});

test("rates", () => {
  assert.equal(rate(12.34e6, "bytes"), "12.3 MB/s");
  assert.equal(rate(0, "bytes"), "0 bytes/s");
  assert.equal(rate(38, "files"), "38 files/s");
  assert.equal(rate(0.0042, "files"), "0.004 files/s");
  assert.equal(rate(1234, null), "1,230/s");
  assert.equal(rate(null, "files"), "");
});

test("durations are of two units at most", () => {
  check(duration, [
    [0, "0 seconds"],
    [0.9, "0 seconds"],
    [1, "1 second"],
    [59.9, "59 seconds"],
    [MINUTE, "1 minute"],
    [125, "2 minutes 5 seconds"],
    [HOUR - 1, "59 minutes 59 seconds"],
    [HOUR, "1 hour"],
    [HOUR + 59, "1 hour"],
    [HOUR + 3 * MINUTE, "1 hour 3 minutes"],
    [DAY + 59 * MINUTE, "1 day"],
    [2 * DAY + 7 * HOUR, "2 days 7 hours"],
    [1_000 * DAY, "1,000 days"],
  ]);
});

test("durations in columns", () => {
  check(brief, [
    [0, "0:00"],
    [41.9, "0:41"],
    [MINUTE, "1:00"],
    [HOUR - 0.0001, "59:59"],
    [HOUR + 200, "1:03:20"],
    [30 * HOUR, "30:00:00"],
  ]);
});

test("the time to go is not more exact than it can be", () => {
  check(eta, [
    [null, ""],
    [0, "a moment left"],
    [4.9, "a moment left"],
    [5, "about 5 seconds left"],
    [42, "about 40 seconds left"],
    [57.4, "about 55 seconds left"],
    [57.6, "about 1 minute left"],
    [61, "about 1 minute left"],
    [90, "about 2 minutes left"],
    [HOUR - 1, "about 1 hour left"],
    [HOUR + 4 * MINUTE, "about 1 hour 5 minutes left"],
    [DAY + 29 * MINUTE, "about 1 day left"],
  ]);
});

test("ages", () => {
  const now = Date.parse("2026-01-02T12:00:00.000Z");
  check((/** @type {number} */ seconds) => ago(new Date(now - seconds * 1_000).toISOString(), now), [
    [-5, "now"], // clocks differ
    [0.9, "now"],
    [1, "1 second ago"],
    [12.7, "12 seconds ago"],
    [3 * MINUTE + 59, "3 minutes ago"],
    [2 * HOUR, "2 hours ago"],
    [DAY - 1, "23 hours ago"],
    [DAY, dateTime("2026-01-01T12:00:00.000Z")],
  ]);
  assert.match(dateTime("2026-01-01T12:34:56.000Z"), /2026.*:34:56.*(UTC|GMT|[A-Z]{2,5})/);
});

test("a summary is one sentence", () => {
  /** @param {Record<string, unknown>} given @param {number | null} fraction */
  const of = (given, fraction = null) => summary(snapshot(given), fraction);
  assert.equal(of({ eta: 119 }, 0.429), "copy: 42 percent, about 2 minutes left");
  assert.equal(of({}, 0.999), "copy: 99 percent");
  assert.equal(of({}), "copy: Running");
  assert.equal(of({ state: "queued", position: 3 }), "copy: Queued, place 3");
  assert.equal(of({ state: "queued" }), "copy: Queued");
  assert.equal(of({ state: "cancelling", eta: 20 }, 0.5), "copy: Cancelling, 50 percent");
  assert.equal(of({ state: "succeeded", eta: 20 }, 1), "copy: Succeeded");
  assert.equal(of({ state: "cancelled" }, 0.5), "copy: Cancelled");
  assert.equal(of({ state: "lost" }, 0.5), "copy: Lost");
  const error = { title: "Exception", detail: "the disk is full" };
  assert.equal(of({ state: "failed", error }, 0.3), "copy: Failed: the disk is full");
  assert.equal(of({ state: "failed", error: { ...error, detail: "" } }), "copy: Failed: Exception");
});

test("all states have a name", () => {
  assert.deepEqual(Object.keys(STATES), [
    "queued",
    "running",
    "cancelling",
    "succeeded",
    "failed",
    "cancelled",
    "lost",
  ]);
  assert.equal(STATES.cancelling, "Cancelling");
});

/**
 * The module as a page of that language has it, for somebody who reads those.
 * @param {string} lang
 * @param {string[]} languages
 */
async function inPage(lang, ...languages) {
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { value: { languages }, configurable: true });
  /** @type {any} */ (globalThis).document = { documentElement: { lang } };
  try {
    return await import(`../../static/words.js?${lang}-${languages}`);
  } finally {
    delete (/** @type {any} */ (globalThis).document);
    if (before) Object.defineProperty(globalThis, "navigator", before);
    else delete (/** @type {any} */ (globalThis).navigator);
  }
}

test("digits are those of the page's language, in the reader's region; words are English", async () => {
  /** @type {[string, string[], string][]} */
  const cases = [
    ["en", ["fr-FR", "en-IN"], "12,34,567.5"],
    ["en-GB", ["en-IN"], "1,234,567.5"],
    ["", ["de-DE"], "1,234,567.5"],
    ["de", ["en-US"], "1.234.567,5"],
    ["de", ["en-US", "de-CH"], "1'234'567.5"],
    ["ar-EG", ["en-US"], "١٬٢٣٤٬٥٦٧٫٥"],
    ["en_US", ["de-DE"], "1,234,567.5"], // it is no language, which is a common mistake
  ];
  for (const [lang, languages, expected] of cases) {
    const words = await inPage(lang, ...languages);
    const digits = words.number(1_234_567.5).replaceAll("’", "'"); // both are Swiss, to different releases
    assert.equal(digits, expected, `${lang} for ${languages}`);
  }
  const { duration, percent } = await inPage("de", "de-DE");
  assert.equal(percent(0.42), "42\u00a0%");
  assert.equal(duration(1_234 * DAY), "1.234 days");
});

test("what runs elsewhere is called as it calls itself", () => {
  const outside = { ...snapshot({ kind: "external" }), params: { label: "nightly backup", lease: 60 } };
  assert.equal(called(outside), "nightly backup");
  assert.match(summary(outside, 0.5), /^nightly backup: /);
  assert.equal(called({ kind: "external", params: {} }), "external");
  assert.equal(called({ kind: "copy", params: { label: "photos" } }), "copy");
  assert.equal(called({ kind: "copy", params: null }), "copy");
});

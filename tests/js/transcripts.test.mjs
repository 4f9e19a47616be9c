// @ts-check
/** tests/transcripts: messages in, what a client holds out. The fold in Python passes the same. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { View } from "../../static/client/fold.js";
import { Parser } from "../../static/client/sse.js";

const FOLDER = new URL("../transcripts/", import.meta.url);
const LOSSLESS = ["state", "log", "output"];

/** @type {Record<string, (messages: [string, any][]) => any[]>} ways on which messages come */
const WAYS = {
  "as they are": (messages) => messages.map(([, message]) => message),
  "over SSE, byte by byte": (messages) => {
    const parser = new Parser();
    const text = messages.map(([id, message]) => {
      return `${id && `id: ${id}\n`}event: ${message.type}\ndata: ${JSON.stringify(message)}\n\n`;
    });
    const events = [...Buffer.from(text.join(""))].flatMap((byte) => parser.push(Uint8Array.of(byte)));
    return events.map(({ type, data }) => {
      const message = JSON.parse(data);
      assert.equal(message.type, type);
      return message;
    });
  },
};

/** @param {any[]} messages */
function read(messages) {
  const view = new View();
  const lossless = [];
  for (const message of messages) {
    const before = structuredClone([...view.snapshots.values()]);
    const held = [...view.snapshots.values()];
    const isNews = view.apply(message);
    assert.deepEqual(held, before, "a snapshot is never changed, only replaced");
    if (isNews && LOSSLESS.includes(message.type)) lossless.push(message);
  }
  return { held: Object.fromEntries(view.snapshots), lossless };
}

const files = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));

test("there are transcripts", () => assert.ok(files.length > 2));

for (const file of files) {
  for (const { name, messages, held, lossless } of JSON.parse(readFileSync(new URL(file, FOLDER), "utf8"))) {
    for (const [way, bring] of Object.entries(WAYS)) {
      test(`${file}: ${name}, ${way}`, () => {
        assert.deepEqual(read(bring(messages)), { held, lossless });
      });
    }
    const forgets = messages.some((/** @type {any} */ [, { reason }]) =>
      /^(epoch|future|expired)$/.test(reason),
    );
    if (forgets) continue; // then it is another history, and may differ
    test(`${file}: ${name}, all of it twice`, () => {
      assert.deepEqual(read(WAYS["as they are"]([...messages, ...messages])), { held, lossless });
    });
  }
}

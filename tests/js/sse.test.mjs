// @ts-check
/** The parser against WHATWG HTML §9.2.6: sse-format.json, whole, in slices, and cut at every place. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Parser } from "../../static/client/sse.js";

/** @type {any[]} */
const CASES = JSON.parse(readFileSync(new URL("sse-format.json", import.meta.url), "utf8"));

/**
 * What comes of the pieces of one connection.
 * @param {Uint8Array[]} pieces
 */
function read(pieces) {
  const parser = new Parser();
  const events = pieces.flatMap((piece) => parser.push(piece));
  return { events, retry: parser.retry, lastEventId: parser.lastEventId };
}

for (const { name, input, encoding, ...expected } of CASES) {
  const bytes = new Uint8Array(Buffer.from(input, encoding ?? "utf8"));
  test(`${name}, whole`, () => {
    assert.deepEqual(read([bytes]), expected);
  });
  test(`${name}, in slices`, () => {
    for (const size of [1, 2, 3, 7]) {
      const pieces = [];
      for (let start = 0; start < bytes.length; start += size) pieces.push(bytes.slice(start, start + size));
      assert.deepEqual(read(pieces), expected, `of ${size}`);
    }
  });
  test(`${name}, cut at every place`, () => {
    const nothing = new Uint8Array();
    for (let cut = 0; cut <= bytes.length; cut++) {
      assert.deepEqual(read([bytes.slice(0, cut), nothing, bytes.slice(cut)]), expected, `at ${cut}`);
    }
  });
}

test("an event comes with the end of its empty line, and does not wait for a next byte", () => {
  for (const end of ["\n", "\r", "\r\n"]) {
    const parser = new Parser();
    assert.deepEqual(parser.push(Buffer.from(`data:1${end}`)), []);
    // The LF of a CRLF may come later, or never.
    const [first] = end;
    assert.deepEqual(parser.push(Buffer.from(first)), [{ type: "message", data: "1", id: "" }]);
    assert.deepEqual(parser.push(Buffer.from(end.slice(1))), []);
    assert.deepEqual(parser.push(Buffer.from(`data:2${end}${end}`)), [
      { type: "message", data: "2", id: "" },
    ]);
  }
});

test("a retry holds from the end of its line, and the last id from the end of its event", () => {
  const parser = new Parser();
  parser.push(Buffer.from("retry:5\nid:7\ndata:x\n"));
  assert.equal(parser.retry, 5);
  assert.equal(parser.lastEventId, "");
  parser.push(Buffer.from("\n"));
  assert.equal(parser.lastEventId, "7");
});

test("a connection that resumes goes on with the id that it resumes from", () => {
  const parser = new Parser("1-7");
  assert.equal(parser.lastEventId, "1-7");
  assert.deepEqual(parser.push(Buffer.from("data:x\n\n")), [{ type: "message", data: "x", id: "1-7" }]);
});

test("a line longer than any buffer, byte by byte", () => {
  const parser = new Parser();
  const bytes = Buffer.from(`data:${"x".repeat(20_000)}\n\n`);
  const lengths = [];
  for (let at = 0; at < bytes.length; at++) {
    for (const { data } of parser.push(bytes.subarray(at, at + 1))) lengths.push(data.length);
  }
  assert.deepEqual(lengths, [20_000]);
});

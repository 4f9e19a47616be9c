// Hash the files of a folder, slowly, and report it with fetch: node examples/06_report.mjs [SERVER [FOLDER]]

import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

const [server = "http://127.0.0.1:8000", folder = "."] = process.argv.slice(2);

async function post(path, body) {
  const headers = { "content-type": "application/json" };
  const signal = AbortSignal.timeout(5_000);
  const answer = await fetch(`${server}/${path}`, { method: "POST", headers, body, signal });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
}

const params = { label: `hashing ${folder} with Node`, lease: Number(process.env.LEASE ?? 60) };
const { id } = await post("operations", JSON.stringify({ kind: "external", params }));
console.log(`${server}/?operation=${id}`);

const lines = [];
let sent = Promise.resolve();
let isCancelled = false;

/** The work does not wait: what is said while a post is on its way is in the next one. */
function report(line) {
  if (lines.push(`${JSON.stringify(line)}\n`) === 1) sent = sent.then(send);
}

async function send() {
  const body = lines.splice(0).join("");
  try {
    const { cancel_requested } = await post(`operations/${id}/events`, body);
    isCancelled ||= cancel_requested;
  } catch (error) {
    console.error(`not taken: ${error.message}: ${body}`);
  }
}

try {
  const hash = createHash("sha256");
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
  report({ type: "progress", total: names.length, unit: "files" });
  for (const [index, name] of names.entries()) {
    if (isCancelled) break;
    hash.update(await readFile(join(folder, name)));
    report({ type: "progress", completed: index + 1, message: name });
    await setTimeout(50);
  }
  report(isCancelled ? { type: "cancelled" } : { type: "succeeded", result: hash.digest("hex") });
} catch (error) {
  report({ type: "failed", error: String(error) });
  process.exitCode = 1;
}
await sent;

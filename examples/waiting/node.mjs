// Wait for an operation with Node 20 or newer: node node.mjs hold|stream [URL] [PARAMS]
//   hold    runs it on one connection with node:http, which shows each 102
//   stream  starts it and reads its Server-Sent Events with fetch, which never shows a 102
// How far it is goes to standard error, its result to standard output.
import { randomUUID } from "node:crypto";
import http from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";

const [way = "hold", url = "http://127.0.0.1:8000", params = '{"to": 8, "interval": 1}'] =
  process.argv.slice(2);

// The same key never starts a second one: keep it for when you have to ask again.
const headers = { "content-type": "application/json", "idempotency-key": `"${randomUUID()}"` };

function hold() {
  const prefer = "processing; max=20; interval=1";
  return new Promise((resolve, reject) => {
    const options = { method: "POST", headers: { ...headers, prefer } };
    const request = http.request(`${url}/legacy/count`, options, (response) => {
      const { statusCode, headers } = response;
      const body = text(response);
      if (statusCode === 202) resolve(follow(new URL(headers.location, url))); // its time is over
      else body.then(statusCode < 300 ? resolve : reject, reject);
    });
    let count = 0;
    request.on("information", ({ statusCode, headers }) => {
      console.error(`information ${++count}: ${statusCode} ${headers.progress}`);
    });
    request.on("error", reject);
    request.end(params);
  });
}

async function stream() {
  const body = `{"kind": "count", "params": ${params}}`;
  const started = await checked(fetch(`${url}/operations`, { method: "POST", headers, body }));
  return follow(new URL(started.headers.get("location"), url));
}

async function follow(place) {
  for (let after = {}; ; await setTimeout(1000)) {
    try {
      const response = await fetch(`${place}/events`, { headers: after });
      for await (const { event, id, data } of events(response)) {
        if (id) after = { "last-event-id": id };
        if (event === "progress") console.error(JSON.parse(data).progress.fraction);
      }
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // fetch's name for a lost connection
    }
    const operation = await (await checked(fetch(place))).json();
    if (operation.state === "succeeded") return JSON.stringify(operation.result);
    if (operation.finished_at) throw JSON.stringify(operation.error ?? operation.state);
  }
}

async function* events({ body }) {
  let rest = "";
  for await (const piece of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const blocks = (rest + piece).split("\n\n");
    rest = blocks.pop(); // what is cut off does not count
    for (const block of blocks) {
      yield Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/)));
    }
  }
}

async function checked(response) {
  const answer = await response;
  if (!answer.ok) throw await answer.text(); // a problem document, which says what to do
  return answer;
}

try {
  const ways = { hold, stream };
  if (!(way in ways)) throw `usage: node.mjs ${Object.keys(ways).join("|")} [URL] [PARAMS]`;
  console.log(await ways[way]());
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}

// Node's usual: better-sse and ws, each with its own way to tell many. `node node.mjs PORT EVENT`
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`); // where npm has installed them
const { createChannel, createSession } = require("better-sse");
const { WebSocketServer } = require("ws");

const TICK_MS = 5;
const [port, file] = process.argv.slice(2);
const event = JSON.parse(readFileSync(file, "utf8"));
const words = event.step.message.replace(/\|\d+\|/, "");
const channels = new Map();
const sockets = new Map();

const entry = (map, key, create) => map.get(key) ?? map.set(key, create()).get(key);
const milliseconds = () => performance.now();

function publish(operation, n) {
  event.cursor = `1766150400123456-${n}`;
  event.step.message = `${words}|${String(process.hrtime.bigint()).padStart(19, "0")}|`;
  channels.get(operation)?.broadcast(event, "progress", { eventId: event.cursor });
  const listeners = sockets.get(operation);
  if (listeners) {
    const text = JSON.stringify(event);
    for (const socket of listeners) socket.send(text);
  }
}

async function publishAll(operations, rate, events) {
  const began = milliseconds();
  for (let n = 0; n < events; n++) {
    const early = began + (n / rate) * 1000 - milliseconds();
    if (early > 0) await sleep(Math.max(early, TICK_MS));
    publish(String(n % operations), n);
    await new Promise(setImmediate);
  }
}

const server = createServer(async (request, response) => {
  const [, first, ...numbers] = request.url.split("/");
  if (first === "publish") {
    response.writeHead(202).end();
    await publishAll(...numbers.map(Number));
  } else {
    entry(channels, first, createChannel).register(await createSession(request, response));
  }
});

new WebSocketServer({ server }).on("connection", (socket, request) => {
  const listeners = entry(sockets, request.url.slice(1), () => new Set());
  listeners.add(socket);
  socket.on("close", () => listeners.delete(socket));
});

server.listen({ port: Number(port), host: "127.0.0.1", backlog: 4096 });

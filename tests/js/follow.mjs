// @ts-check
/** Starts an operation, follows it to its end and prints how that went: `node follow.mjs URL WIRE`. */

import { ProgressClient } from "../../static/client/index.js";

const [url, wire] = process.argv.slice(2);
const client = new ProgressClient(url, { transports: [/** @type {any} */ (wire)] });
const operation = await client.start("count", { to: 3 });
const types = [];
for await (const { type } of operation) types.push(type);
const { state, result } = operation.snapshot ?? {};
const logs = operation.logs.map(({ message }) => message);
console.log(JSON.stringify({ types, state, result, logs, fraction: operation.fraction }));
client.close();

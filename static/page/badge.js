// @ts-check
/** How the connection is, for the eye each second and for the ear when it breaks and comes back. */

import { attribute, h, text } from "./dom.js";

const TRANSPORTS = { sse: "SSE", ws: "WebSocket", poll: "long poll" };
/** Seconds after which the age of what is shown is told. */
const OLD = 5;

/** @param {import("../client/index.js").ProgressClient} client @returns {HTMLElement} */
export function badge(client) {
  const word = h("span", { class: "word" });
  const more = h("span", { class: "more quiet-text figures" });
  const spoken = h("span", { class: "hidden", role: "status" });
  const element = h("p", { class: "badge small" }, h("i", { class: "dot" }), word, more, spoken);
  /** @type {boolean | null} */
  let wasLive = null;

  const draw = () => {
    const status = client.connection.snapshot;
    const { state, transport, heardAt, error } = status;
    const isLive = state === "live" || state === "polling";
    const parts = [];
    if (transport && isLive && state !== "polling") parts.push(TRANSPORTS[transport]);
    const age = heardAt === null ? 0 : Math.round((Date.now() - heardAt) / 1000);
    if (age > OLD && state !== "idle") parts.push(`heard ${age} s ago`);
    attribute(element, "data-connection", state);
    attribute(element, "title", error ? error.message : null);
    text(word, say(status));
    text(more, parts.join(" · "));
    if (state === "idle" || state === "connecting" || isLive === wasLive) return;
    const broken = state === "stopped"
      ? `Connection stopped: ${error?.message}`
      : "Connection lost, trying again.";
    if (wasLive !== null || !isLive) text(spoken, isLive ? "Connected again." : broken);
    wasLive = isLive;
  };
  client.connection.subscribe(draw);
  setInterval(draw, 1000);
  draw();
  return element;
}

/** @param {import("../client/index.js").ConnectionStatus} status */
function say({ state, retryAt, error }) {
  switch (state) {
    case "live":
      return "Live";
    case "polling":
      return "Polling";
    case "connecting":
      return "Connecting";
    case "waiting": {
      const seconds = Math.ceil(((retryAt ?? 0) - Date.now()) / 1000);
      return seconds > 0 ? `Reconnecting in ${seconds} s` : "Reconnecting";
    }
    case "stopped":
      return /** @type {any} */ (error)?.status === 401 ? "Not signed in" : "Stopped";
    default:
      return "Idle";
  }
}

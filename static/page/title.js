// @ts-check
/** The tab's title and icon, which show progress while one does something else. */

import { percent } from "../format.js";

/** The colours of app.css, which an icon cannot see, in a tone for light and dark. */
const COLOURS = /** @type {Record<string, string>} */ ({
  running: "#4c7dfa",
  succeeded: "#2da35b",
  failed: "#e5484d",
  cancelling: "#c98a1b",
  lost: "#9a6ae0",
});
const ROUND = 2 * Math.PI * 6;

let shown = "";

/** @param {number | null} fraction @param {string | null} state null: nothing goes on @param {string} text */
export function showProgress(fraction, state, text) {
  const isGoing = state === "running" || state === "cancelling";
  const title = isGoing && fraction !== null ? `${percent(fraction)} · ${text}` : text;
  if (document.title !== title) document.title = title;
  // An icon is costly to change: 20 steps are enough for what is 16 pixels wide.
  const share = state === "succeeded" || state === "failed" || state === "lost"
    ? 1
    : Math.floor((fraction ?? 0) * 20) / 20;
  const colour = COLOURS[state ?? ""] ?? "#8a93a3";
  if (shown === (shown = `${colour} ${share}`)) return;
  const ring = (/** @type {string} */ more) =>
    `<circle cx='8' cy='8' r='6' fill='none' stroke-width='3.5' ${more}/>`;
  const svg = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>" +
    ring(`stroke='${colour}' stroke-opacity='.3'`) +
    ring(`stroke='${colour}' stroke-dasharray='${share * ROUND} 99' transform='rotate(-90 8 8)'`) +
    "</svg>";
  const link = document.querySelector("link[rel=icon]");
  link?.setAttribute("href", `data:image/svg+xml,${encodeURIComponent(svg)}`);
}

// @ts-check
/** What only a page knows and has: none of it is needed elsewhere. */

export { join } from "./shared.js";

/**
 * Tell when the page is looked at or not, and when it comes back from having been away.
 * @param {(event: import("./feed.js").PageEvent) => void} tell
 * @param {AbortSignal} signal
 */
export function watchPage(tell, signal) {
  /** @param {EventTarget} target @param {string} type @param {(event: any) => void} listener */
  const on = (target, type, listener) => target.addEventListener(type, listener, { signal });
  on(globalThis, "online", () => tell("wake"));
  on(globalThis, "pageshow", ({ persisted }) => persisted && tell("wake"));
  on(document, "resume", () => tell("wake")); // from being frozen
  on(document, "visibilitychange", () => tell(document.hidden ? "hidden" : "visible"));
}

/**
 * Keep the token where `EventSource` and WebSocket take it from: they cannot send headers.
 * @param {string} base
 * @param {string | null | undefined} token
 */
export function keepToken(base, token) {
  const { origin, pathname, protocol } = new URL(base);
  if (origin !== location.origin) return;
  const secure = protocol === "https:" ? "; Secure" : "";
  // Servers do not decode: only what a cookie cannot carry is encoded (RFC 6265 §4.1.1).
  const value = token ? token.replace(/[^!#-+\--:<-[\]-~]/gu, encodeURIComponent) : "; Max-Age=0";
  document.cookie = `progress_token=${value}; Path=${pathname}; SameSite=Strict${secure}`;
}

const KEY = "progress_transport ";

/**
 * The transport that got through last, in this tab.
 * @param {string} base
 */
export function recall(base) {
  try {
    return /** @type {import("./index.js").Transport | null} */ (sessionStorage.getItem(KEY + base));
  } catch {
    return null; // storage may be forbidden
  }
}

/**
 * @param {string} base
 * @param {import("./index.js").Transport | null} transport
 */
export function remember(base, transport) {
  try {
    sessionStorage.setItem(KEY + base, String(transport));
  } catch {}
}

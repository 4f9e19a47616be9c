// @ts-check
/** What only a page knows and has: none of it is needed elsewhere. */

/**
 * Tell when the page is looked at or not, and when it comes back from having been away.
 * @param {(event: import("./feed.js").PageEvent) => void} tell
 * @returns {() => void} its undo
 */
export function watchPage(tell) {
  const undo = new AbortController();
  const { document, addEventListener } = globalThis;
  if (!document || !addEventListener) return () => {};
  /** @param {EventTarget} target @param {string} type @param {(event: any) => void} listener */
  const on = (target, type, listener) => target.addEventListener(type, listener, { signal: undo.signal });
  on(globalThis, "online", () => tell("wake"));
  on(globalThis, "pageshow", ({ persisted }) => persisted && tell("wake"));
  on(document, "resume", () => tell("wake")); // from being frozen
  on(document, "visibilitychange", () => tell(document.hidden ? "hidden" : "visible"));
  return () => undo.abort();
}

/**
 * Keep the token where `EventSource` and WebSocket take it from: they cannot send headers.
 * @param {string} base
 * @param {string | null | undefined} token
 */
export function keepToken(base, token) {
  const { document, location } = globalThis;
  const { origin, pathname, protocol } = new URL(base);
  if (!document || origin !== location.origin) return;
  const secure = protocol === "https:" ? "; Secure" : "";
  const value = token ? encodeURIComponent(token) : "; Max-Age=0";
  document.cookie = `progress_token=${value}; Path=${pathname}; SameSite=Strict${secure}`;
}

const KEY = "progress_transport ";

/**
 * The transport that got through last, in this tab.
 * @param {string} base
 */
export function recall(base) {
  try {
    return /** @type {import("./index.js").Transport | null} */ (globalThis.document && sessionStorage.getItem(KEY + base));
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
    if (globalThis.document) sessionStorage.setItem(KEY + base, String(transport));
  } catch {}
}

// @ts-check
/** What is watched: by name, or by what it has to be. */

/**
 * @typedef {{operation?: string, kind?: string[], label?: string[], types?: string[]}} Want
 *   an empty one is everything; `types` are those of events, none: all
 */

/** Operations in a query: a head has 32 KiB, at a proxy 8 perhaps. */
const MOST = 100;

/**
 * The query that covers all wants, and little else: names in it are alternatives.
 * @param {readonly Want[]} wants
 */
export function pathFor(wants) {
  const [first] = wants;
  if (wants.length === 1 && first.operation) return `operations/${encodeURIComponent(first.operation)}/events`;
  const query = new URLSearchParams();
  /** @param {"kind" | "types"} name @param {readonly Want[]} among */
  const unite = (name, among) => {
    if (among.every((want) => want[name]?.length))
      for (const value of new Set(among.flatMap((want) => want[name] ?? []))) query.append(name, value);
  };
  if (wants.length <= MOST && wants.every((want) => want.operation)) {
    for (const { operation } of wants) query.append("operation", String(operation));
  } else if (wants.every((want) => !want.operation && String(want.label) === String(first.label))) {
    for (const label of first.label ?? []) query.append("label", label);
    unite("kind", wants);
  }
  unite("types", wants);
  return `events?${query}`;
}

/**
 * Whether a message is one that is wanted. Of an operation that was not introduced nobody knows; it
 * is for those who hold its snapshot.
 * @param {Want} want
 * @param {import("./index.js").Message} message
 * @param {ReadonlyMap<string, import("./index.js").Snapshot>} known
 */
export function wanted({ operation, kind, label, types }, message, known) {
  if (types && /^(progress|log|output)$/.test(message.type) && !types.includes(message.type)) return false;
  if (!("operation" in message) || message.operation === null) return true;
  if (operation) return operation === message.operation;
  const snapshot = known.get(message.operation);
  if (!snapshot) return true;
  if (kind?.length && !kind.includes(snapshot.kind)) return false;
  return (label ?? []).every((pair) => {
    const colon = pair.indexOf(":");
    return snapshot.labels[pair.slice(0, colon)] === pair.slice(colon + 1);
  });
}

/**
 * Whether all that the second wants comes with the first.
 * @param {Want} open
 * @param {Want} want
 */
export function covers(open, want) {
  const contains = (/** @type {string[] | undefined} */ all, /** @type {string[] | undefined} */ some) =>
    !all?.length || Boolean(some?.length && some.every((one) => all.includes(one)));
  const isSame = open.operation === want.operation && String(open.kind) === String(want.kind);
  const isAll = !open.operation && !open.kind?.length && !open.label?.length;
  return contains(open.types, want.types) && (isAll || (isSame && String(open.label) === String(want.label)));
}

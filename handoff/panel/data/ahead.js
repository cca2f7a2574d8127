// @ts-check
/** A story that is read while the agent's move is on its way: an agent who accepts a handoff sees its story next. */

/** @typedef {import("./api.js").Api} Api */
/** @typedef {import("./types.js").Context} Context */
/** @typedef {import("./types.js").Handoff} Handoff */
/** @typedef {{context: Promise<Context> | null, handoff: Handoff | null}} Ahead */

const KEPT_MS = 5000; // an older answer is not what the agent would see now

/** @type {Map<string, Ahead>} by server, token, and handoff: the queue and the story may have clients of their own */
const reading = new Map();

/** @param {Api} api @param {string} id */
function keyOf(api, id) {
  return [api.server, api.token, id].join("\n");
}

/** @param {Api} api @param {string} id @param {Partial<Ahead>} found */
function keep(api, id, found) {
  const key = keyOf(api, id);
  const entry = { context: null, handoff: null, ...reading.get(key), ...found };
  reading.set(key, entry);
  setTimeout(() => reading.get(key) === entry && reading.delete(key), KEPT_MS);
}

/** Keep the context that is being read. @param {Api} api @param {string} id the handoff's @param {Promise<Context>} context */
export function readAhead(api, id, context) {
  context.catch(() => null); // the story reads it again, and reports why it cannot
  keep(api, id, { context });
}

/** The handoff that is about to be opened, as it is now. @param {Api} api @param {Handoff} handoff */
export function openNext(api, handoff) {
  keep(api, handoff.id, { handoff });
}

/** The answer that was read ahead; a second call finds none. @param {Api} api @param {string} id @returns {Ahead} */
export function takeAhead(api, id) {
  const key = keyOf(api, id);
  const found = reading.get(key) ?? { context: null, handoff: null };
  reading.delete(key);
  return found;
}

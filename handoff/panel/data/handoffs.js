// @ts-check
/** A handoff's moves: which ones an agent may make, and making them. */

import { path, Refused, TimedOut } from "./api.js";

/** @typedef {import("./types.js").Handoff} Handoff */
/** @typedef {import("./api.js").Session} Session */

const MOVES = 3; // attempts of a move while only the version changes
/** @type {Readonly<Record<string, string>>} the entry that each move leaves in the history */
const RESULTS = Object.freeze({ accept: "accepted", decline: "declined", complete: "completed", release: "released" });

/** @param {Session} session @param {string} scope */
export function may(session, scope) {
  return session.scopes.includes("admin") || session.scopes.includes(scope);
}

/**
 * Whether the agent may confirm and refuse candidates: the server refuses limited tokens.
 * @param {Session} session
 */
export function mayLink(session) {
  return may(session, "links:write") && !session.queues && session.audience !== "customer";
}

/** @param {Session} session */
export function agentOf(session) {
  return session.agent ?? session.name;
}

/** @param {Handoff} handoff */
export function isPending(handoff) {
  return handoff.state === "requested" || handoff.state === "offered";
}

/** Whether a list of the server has the handoff, if it has not ended. @param {Handoff} handoff @param {Record<string, string>} query */
export function isListed(handoff, query) {
  if (query.queue) return handoff.to.queue === query.queue;
  return query.agent ? handoff.to.agent === query.agent : isPending(handoff);
}

/**
 * The moves that the agent may make now, the likeliest first.
 * @param {Handoff} handoff
 * @param {Session} session
 * @returns {("accept" | "decline" | "complete" | "release")[]}
 */
export function movesOf(handoff, session) {
  if (!may(session, "handoffs:write")) return [];
  const me = agentOf(session);
  const another = handoff.state === "offered" && handoff.to.agent && handoff.to.agent !== me;
  if (isPending(handoff)) return another ? ["accept"] : ["accept", "decline"];
  return handoff.state === "accepted" && handoff.owner === me ? ["complete", "release"] : [];
}

/** @param {import("./types.js").Party} party */
export function partyName(party) {
  return party.agent ?? party.party ?? party.queue ?? party.channel ?? "–";
}

/**
 * @typedef {object} Outcome
 * @property {Handoff} [handoff] its current state, even if another agent changed it first
 * @property {string} message for the agent
 * @property {boolean} done
 * @property {unknown} [error] why it failed, unless another agent had accepted already
 */

/**
 * @param {import("./api.js").Api} api
 * @param {Handoff} handoff
 * @param {string} action
 * @param {string | null} reason
 * @param {import("../text/words.js").Words} words
 * @returns {Promise<Outcome>}
 */
export async function move(api, handoff, action, reason, words) {
  let version = handoff.version;
  for (let attempt = 1; ; attempt += 1) {
    const body = { version, ...(reason ? { reason } : {}) };
    try {
      const moved = await api.post(path`/v1/handoffs/${handoff.id}/` + action, body);
      return { handoff: moved, message: words.text(`done.${action}`), done: true };
    } catch (error) {
      const current = /** @type {Handoff | undefined} */ (error instanceof Refused ? error.body.current : undefined);
      if (!(error instanceof Refused) || error.status !== 409 || !current) {
        return { message: reasonOf(error, words), done: false, error };
      }
      if (isDone(current, handoff, action, await ownName(api))) {
        return { handoff: current, message: words.text(`done.${action}`), done: true };
      }
      if (attempt === MOVES || !isAsSeen(current, handoff)) {
        return { handoff: current, message: conflictMessage(current, words), done: false };
      }
      version = current.version;
    }
  }
}

/**
 * Whether the agent's move has succeeded already: the answer to an earlier attempt was lost.
 * @param {Handoff} current @param {Handoff} seen @param {string} action @param {string | null} me
 */
function isDone(current, seen, action, me) {
  if (action === "accept") return current.state === "accepted" && current.owner === me;
  return current.history.slice(seen.history.length).some((it) => it.state === RESULTS[action] && it.by === me);
}

/**
 * Whether a handoff is still as the agent saw it, but for its version: a look makes a new one, and every move is in the
 * history. A declined handoff may look the same again, one fallback later.
 * @param {Handoff} current @param {Handoff} seen
 */
function isAsSeen(current, seen) {
  const moves = (/** @type {Handoff} */ it) => JSON.stringify([it.state, it.owner, it.to, it.history]);
  return moves(current) === moves(seen);
}

/** The agent's name; null if the server does not answer. @param {import("./api.js").Api} api */
async function ownName(api) {
  return api.session().then(agentOf, () => null);
}

/**
 * Report that the owner has seen the handoff. The server keeps the first report.
 * @param {import("./api.js").Api} api
 * @param {Handoff | null} handoff
 * @param {Session | null} session
 */
export function markViewed(api, handoff, session) {
  if (!handoff || !session || handoff.viewed_at || handoff.state !== "accepted") return;
  if (handoff.owner !== agentOf(session) || !may(session, "handoffs:write")) return;
  handoff.viewed_at = new Date().toISOString();
  api.post(path`/v1/handoffs/${handoff.id}/viewed`, {}).catch(() => null);
}

/** Whether the session has expired or was ended. @param {unknown} error */
export function isExpired(error) {
  return error instanceof Refused && error.status === 401;
}

/** Whether the server could not be reached: that passes by itself. @param {unknown} error */
export function isUnreachable(error) {
  return !(error instanceof Refused) && !(error instanceof TimedOut);
}

/** Why a request failed, and what the agent can do. @param {unknown} error @param {import("../text/words.js").Words} words */
export function reasonOf(error, words) {
  if (isExpired(error)) return words.text("error.token");
  if (error instanceof Refused) return error.message;
  return words.text(error instanceof TimedOut ? "error.timeout" : "error.unreachable");
}

/** @param {Handoff} current @param {import("../text/words.js").Words} words */
function conflictMessage(current, words) {
  const state = words.name("handoff", current.state);
  if (current.state === "accepted" && current.owner) return words.text("error.faster", { who: current.owner });
  return words.text("error.changed", { state });
}

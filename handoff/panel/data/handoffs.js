// @ts-check
/** A handoff's moves: which ones an agent may make, and making them. */

import { path, Refused, TimedOut } from "./api.js";
import { touchpointOf } from "./notes.js";

/** @typedef {import("./types.js").Handoff} Handoff */
/** @typedef {import("./api.js").Session} Session */

const MAX_REASON = 2000; // characters that the server takes
const MOVES = 3; // attempts of a move while only the version changes
/** @type {Readonly<Record<string, string>>} the entry that each move leaves in the history */
const RESULTS = Object.freeze({ accept: "accepted", decline: "declined", complete: "completed", release: "released" });
const JUST_NOW_S = 60; // another agent's acceptance is shown with its age up to this

/** @typedef {"accept" | "decline" | "complete" | "transfer" | "release"} Action */
/**
 * @typedef {object} MoveDetails what an agent adds to a move
 * @property {string} [reason]
 * @property {string} [wrapUp] an internal note about the result, stored before the handoff is completed
 * @property {{queue?: string, agent?: string, channel?: string}} [to] of a transfer
 * @property {Record<string, string>} [context] of a transfer
 * @property {string} [key] the same for every attempt: what was sent before is not done again
 * @property {Handoff} [seen] the handoff as the agent saw it when the words were asked for
 * @property {(outcome: Outcome) => void} [settled] called with the outcome
 */

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
 * @returns {Action[]}
 */
export function movesOf(handoff, session) {
  if (!may(session, "handoffs:write")) return [];
  const me = agentOf(session);
  const another = handoff.state === "offered" && handoff.to.agent && handoff.to.agent !== me;
  if (isPending(handoff)) return another ? ["accept"] : ["accept", "decline"];
  return handoff.state === "accepted" && handoff.owner === me ? ["complete", "transfer", "release"] : [];
}

/** @param {import("./types.js").Party} party */
export function partyName(party) {
  return party.agent ?? party.party ?? party.queue ?? party.channel ?? "–";
}

/**
 * @typedef {object} Outcome
 * @property {Handoff} [handoff] its current state, even if another agent changed it first
 * @property {Handoff} [requested] the handoff that a transfer requested
 * @property {string} message for the agent
 * @property {boolean} done
 * @property {unknown} [error] why it failed, unless another agent had accepted already
 */

/**
 * Make a move. `details` may have what the agent added to it.
 * @param {import("./api.js").Api} api
 * @param {Handoff} handoff
 * @param {string} action
 * @param {MoveDetails | null} details
 * @param {import("../text/words.js").Words} words
 * @returns {Promise<Outcome>}
 */
export async function move(api, handoff, action, details, words) {
  const outcome = await attempt(api, details?.seen ?? handoff, action, details, words);
  details?.settled?.(outcome);
  return outcome;
}

/**
 * @param {import("./api.js").Api} api @param {Handoff} handoff @param {string} action
 * @param {MoveDetails | null} details @param {import("../text/words.js").Words} words
 * @returns {Promise<Outcome>}
 */
async function attempt(api, handoff, action, details, words) {
  try {
    if (action === "transfer") return await transfer(api, handoff, details ?? {}, words);
    const reason = details?.wrapUp ? await keepWrapUp(api, handoff, details) : details?.reason;
    return await change(api, handoff, action, reason, words);
  } catch (error) {
    return { message: reasonOf(error, words), done: false, error };
  }
}

/**
 * @param {import("./api.js").Api} api @param {Handoff} handoff @param {string} action
 * @param {string | undefined} reason @param {import("../text/words.js").Words} words
 * @returns {Promise<Outcome>}
 */
async function change(api, handoff, action, reason, words) {
  let version = handoff.version;
  for (let attempt = 1; ; attempt += 1) {
    const body = { version, ...(reason ? { reason } : {}) };
    try {
      const moved = await api.post(path`/v1/handoffs/${handoff.id}/` + action, body);
      return { handoff: moved, message: words.text(`done.${action}`), done: true };
    } catch (error) {
      const current = /** @type {Handoff | undefined} */ (error instanceof Refused ? error.body.current : undefined);
      if (!(error instanceof Refused) || error.status !== 409 || !current) throw error;
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
 * Request a handoff of the same conversation. The agent stays its owner until somebody accepts it.
 * @param {import("./api.js").Api} api @param {Handoff} handoff
 * @param {MoveDetails} details @param {import("../text/words.js").Words} words
 * @returns {Promise<Outcome>}
 */
async function transfer(api, handoff, { to = {}, reason, context, key }, words) {
  const channel = handoff.to.channel;
  const body = {
    conversation_id: handoff.conversation_id,
    from: { agent: agentOf(await api.session()), ...(channel ? { channel } : {}) },
    to: { ...(channel ? { channel } : {}), ...to },
    reason,
    ...(context && Object.keys(context).length ? { context } : {}),
  };
  try {
    const requested = await api.post("/v1/handoffs", body, key ? { "Idempotency-Key": key } : {});
    return { requested, message: words.text("done.transfer", { who: partyName(requested.to) }), done: true };
  } catch (error) {
    if (!(error instanceof Refused) || error.code !== "handoff_pending") throw error;
    return { message: words.text("error.pending", { who: partyName(error.body.current.to) }), done: false, error };
  }
}

/**
 * Store the wrap-up as an internal note. Returns the reason to complete the handoff with instead, if the agent may
 * not write notes or the customer is unknown.
 * @param {import("./api.js").Api} api @param {Handoff} handoff @param {MoveDetails} details
 * @returns {Promise<string | undefined>}
 */
async function keepWrapUp(api, handoff, { wrapUp = "", key }) {
  const session = await api.session();
  if (!may(session, "touchpoints:write") || !may(session, "context:read")) return wrapUp.slice(0, MAX_REASON);
  const context = await api.get(path`/v1/handoffs/${handoff.id}/context`, { limit: 1, fields: "conversations" }, { keep: false });
  if (!context.customer) return wrapUp.slice(0, MAX_REASON);
  const id = `panel-${key ?? handoff.id}`;
  await api.post("/v1/touchpoints", touchpointOf(context, handoff, session, { kind: "wrap_up", text: wrapUp, due: null, id }));
  return undefined;
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

/** Why a move was too late, with the next step. @param {Handoff} current @param {import("../text/words.js").Words} words */
export function conflictMessage(current, words) {
  const who = current.owner;
  if (current.state !== "accepted" || !who) return words.text("error.changed", { state: words.name("handoff", current.state) });
  const accepted = current.history.findLast((it) => it.state === "accepted");
  const count = Math.round((Date.now() - Date.parse(accepted?.at ?? "")) / 1000);
  return count >= 0 && count <= JUST_NOW_S ? words.text("error.faster", { who, count }) : words.text("error.taken", { who });
}

// @ts-check
/** A hand-off's moves: which there are, and doing them. Somebody faster is an answer, not a failure. */

import { path, Refused } from "./api.js";
import { button, h, said } from "./dom.js";

/** @typedef {import("./types.js").Handoff} Handoff */
/** @typedef {import("./api.js").Session} Session */

/** @param {Session} session @param {string} scope */
export function may(session, scope) {
  return session.scopes.includes("admin") || session.scopes.includes(scope);
}

/** @param {Session} session */
export function agentOf(session) {
  return session.agent ?? session.name;
}

/** @param {Handoff} handoff */
export function isPending(handoff) {
  return handoff.state === "requested" || handoff.state === "offered";
}

/**
 * What the agent may do now, the likeliest first.
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
 * @property {Handoff} [handoff] as it is now, also where somebody else was faster
 * @property {string} message for the agent
 * @property {boolean} done
 */

/**
 * @param {import("./api.js").Api} api
 * @param {Handoff} handoff
 * @param {string} action
 * @param {string | null} reason
 * @param {import("./words.js").Words} words
 * @returns {Promise<Outcome>}
 */
export async function move(api, handoff, action, reason, words) {
  const body = { version: handoff.version, ...(reason ? { reason } : {}) };
  try {
    const moved = await api.post(path`/v1/handoffs/${handoff.id}/` + action, body);
    return { handoff: moved, message: words.text(`done.${action}`), done: true };
  } catch (error) {
    if (!(error instanceof Refused)) return { message: words.text("error.unreachable"), done: false };
    const current = /** @type {Handoff | undefined} */ (error.body.current);
    if (error.status === 409 && current) return { handoff: current, message: faster(current, words), done: false };
    return { message: error.message, done: false };
  }
}

/**
 * Once, when the owner looks at it: the server keeps the first.
 * @param {import("./api.js").Api} api
 * @param {Handoff | null} handoff
 * @param {Session | null} session
 */
export function tellViewed(api, handoff, session) {
  if (!handoff || !session || handoff.viewed_at || handoff.state !== "accepted") return;
  if (handoff.owner !== agentOf(session) || !may(session, "handoffs:write")) return;
  handoff.viewed_at = new Date().toISOString();
  api.post(path`/v1/handoffs/${handoff.id}/viewed`, {}).catch(() => null);
}

/** @param {Handoff} current @param {import("./words.js").Words} words */
function faster(current, words) {
  const state = words.name("handoff", current.state);
  if (current.state === "accepted" && current.owner) return words.text("error.faster", { who: current.owner });
  return words.text("error.changed", { state });
}

/**
 * Buttons for the moves; those that need a reason ask for it in place.
 * @param {Handoff} handoff
 * @param {Session} session
 * @param {import("./words.js").Words} words
 * @param {(action: string, reason: string | null) => void} act
 */
export function moveButtons(handoff, session, words, act) {
  const moves = movesOf(handoff, session);
  if (!moves.length) return null;
  const place = h("div", { class: "moves" });
  const buttons = () =>
    moves.map((action) =>
      button(
        words.text(`move.${action}`),
        () => (action === "accept" || action === "complete" ? act(action, null) : ask(action)),
        { class: action === "accept" || action === "complete" ? "strong" : "", "data-move": action },
      ),
    );
  /** @param {string} action */
  const ask = (action) => {
    const cancel = () => {
      place.replaceChildren(...buttons());
      /** @type {HTMLElement | null} */ (place.querySelector(`[data-move=${action}]`))?.focus();
    };
    const form = reasonForm(words, words.text(`move.${action}`), (reason) => act(action, reason), cancel);
    place.replaceChildren(form);
    form.querySelector("input")?.focus();
  };
  place.append(...buttons());
  place.addEventListener("ask", (event) => ask(/** @type {CustomEvent} */ (event).detail));
  return place;
}

/**
 * @param {import("./words.js").Words} words
 * @param {string} label
 * @param {(reason: string) => void} done
 * @param {() => void} cancel
 */
export function reasonForm(words, label, done, cancel) {
  const input = h("input", { type: "text", maxlength: 500, "aria-label": words.text("move.reason"), placeholder: words.text("move.reason") });
  const form = h(
    "form",
    { class: "reason" },
    input,
    h("button", { type: "submit", class: "strong" }, label),
    button(words.text("move.cancel"), cancel),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    done(input.value.trim());
  });
  form.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") cancel();
  });
  return form;
}

/**
 * Where a hand-off stands, what the agent may do with it, and the way it has come.
 * @param {Handoff} handoff
 * @param {Session} session
 * @param {import("./brief.js").Voice} voice
 * @param {(action: string, reason: string | null) => void} act
 */
export function handoffPart(handoff, session, voice, act) {
  const { words, times } = voice;
  const mine = handoff.owner === agentOf(session);
  const owner = handoff.owner ? [" · ", words.text(mine ? "handoff.yours" : "handoff.owner", { who: handoff.owner })] : null;
  const hops = handoff.hops.length;
  return [
    h(
      "p",
      { class: "handoff-line" },
      h("span", { class: `state ${handoff.state}` }, words.name("handoff", handoff.state)),
      " ",
      said(partyName(handoff.from)),
      " → ",
      said(partyName(handoff.to)),
      h("span", { class: "quiet" }, owner, " · ", times.element(handoff.requested_at, "ago")),
    ),
    moveButtons(handoff, session, words, act),
    hops ? h("details", { class: "hops-part" }, h("summary", {}, words.text("hops.title", { count: hops })), hopList(handoff, voice)) : null,
  ];
}

/**
 * The way of a hand-off so far, each step with how long it took to be answered.
 * @param {Handoff} handoff
 * @param {import("./brief.js").Voice} voice
 */
export function hopList(handoff, { words, times }) {
  const hops = handoff.hops.map((it) =>
    h(
      "li",
      {},
      said(partyName(it.from)),
      " → ",
      said(it.agent ?? partyName(it.to)),
      h("span", { class: "quiet" }, ` ${words.name("handoff", it.outcome)}, ${times.lasting(it.waited_s)}: `),
      said(it.reason),
    ),
  );
  return h("ol", { class: "hops" }, hops);
}

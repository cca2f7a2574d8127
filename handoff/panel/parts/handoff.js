// @ts-check
/** A handoff's state, its history and the buttons for its moves. */

import { agentOf, movesOf, partyName } from "../data/handoffs.js";
import { button, h, userText } from "../dom/dom.js";
import { askForMove } from "./forms/moves.js";

/** @typedef {import("../data/types.js").Handoff} Handoff */
/** @typedef {import("../data/api.js").Session} Session */

/** Moves that are made at once: all others ask for words first. */
const AT_ONCE = Object.freeze(["accept"]);
const PRIMARY = Object.freeze(["accept", "complete"]);

/**
 * Buttons for the moves, the likeliest first. Moves that take words ask for them in a dialog.
 * @param {Handoff} handoff
 * @param {Session} session
 * @param {import("../text/words.js").Words} words
 * @param {import("./forms/moves.js").Act} act
 * @param {string} [who] the customer's name, for the names of the buttons
 */
export function moveButtons(handoff, session, words, act, who = partyName(handoff.from)) {
  const moves = movesOf(handoff, session);
  if (!moves.length) return null;
  const place = h("div", { class: "moves" });
  const ask = (/** @type {string} */ action) => {
    const root = /** @type {ShadowRoot} */ (place.getRootNode());
    askForMove(root, { action, handoff, session, words, who, act });
  };
  place.append(...moves.map((action) =>
    button(words.text(`move.${action}`), () => (AT_ONCE.includes(action) ? act(action, null) : ask(action)), {
      class: PRIMARY.includes(action) ? "strong" : "plain",
      "data-move": action,
      "aria-label": words.text(`move.${action}.this`, { who }),
    })));
  return place;
}

/**
 * The handoff's state, the agent's moves, and its earlier hops.
 * @param {Handoff} handoff
 * @param {Session} session
 * @param {import("../dom/element.js").Locale} locale
 * @param {import("./forms/moves.js").Act} act
 * @param {string} [who] the customer's name, for the names of the buttons
 */
export function handoffPart(handoff, session, locale, act, who) {
  const { words, times } = locale;
  const mine = handoff.owner === agentOf(session);
  const owner = handoff.owner ? [" · ", words.text(mine ? "handoff.yours" : "handoff.owner", { who: handoff.owner })] : null;
  const hops = handoff.hops.length;
  return [
    h(
      "p",
      { class: "handoff-line" },
      h("span", { class: `state ${handoff.state}` }, words.name("handoff", handoff.state)),
      " ",
      userText(partyName(handoff.from)),
      " → ",
      userText(partyName(handoff.to)),
      h("span", { class: "quiet" }, owner, " · ", times.element(handoff.requested_at, "ago")),
    ),
    moveButtons(handoff, session, words, act, who),
    hops ? h("details", { class: "hops-part" }, h("summary", {}, words.text("hops.title", { count: hops })), hopList(handoff, locale)) : null,
  ];
}

/**
 * The handoff's earlier hops, each with its waiting time.
 * @param {Handoff} handoff
 * @param {import("../dom/element.js").Locale} locale
 */
function hopList(handoff, { words, times }) {
  const hops = handoff.hops.map((it) =>
    h(
      "li",
      {},
      userText(partyName(it.from)),
      " → ",
      userText(it.agent ?? partyName(it.to)),
      h("span", { class: "quiet" }, ` ${words.name("handoff", it.outcome)}, ${times.lasting(it.waited_s)}: `),
      userText(it.reason),
    ),
  );
  return h("ol", { class: "hops" }, hops);
}

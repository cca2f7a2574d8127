// @ts-check
/** A handoff's state, its history and the buttons for its moves. */

import { agentOf, movesOf, partyName } from "../data/handoffs.js";
import { button, h, userText } from "../dom/dom.js";

/** @typedef {import("../data/types.js").Handoff} Handoff */
/** @typedef {import("../data/api.js").Session} Session */

/**
 * Buttons for the moves. Moves that need a reason ask for it inline.
 * @param {Handoff} handoff
 * @param {Session} session
 * @param {import("../text/words.js").Words} words
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
 * @param {import("../text/words.js").Words} words
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
 * The handoff's state, the agent's moves, and its earlier hops.
 * @param {Handoff} handoff
 * @param {Session} session
 * @param {import("../dom/element.js").Locale} locale
 * @param {(action: string, reason: string | null) => void} act
 */
export function handoffPart(handoff, session, locale, act) {
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
    moveButtons(handoff, session, words, act),
    hops ? h("details", { class: "hops-part" }, h("summary", {}, words.text("hops.title", { count: hops })), hopList(handoff, locale)) : null,
  ];
}

/**
 * The handoff's earlier hops, each with its waiting time.
 * @param {Handoff} handoff
 * @param {import("../dom/element.js").Locale} locale
 */
export function hopList(handoff, { words, times }) {
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

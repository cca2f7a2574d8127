// @ts-check
/** One handoff in the queue. */

import { partyName } from "../data/handoffs.js";
import { button, h, icon, userText } from "../dom/dom.js";
import { moveButtons } from "./handoff.js";

/** @typedef {import("../data/types.js").Handoff} Handoff */

/**
 * @param {Handoff} handoff
 * @param {import("../data/api.js").Session} session
 * @param {import("../dom/element.js").Locale} locale
 * @param {boolean} selected
 * @param {{open: () => void, move: (action: string, reason: string | null) => void}} actions
 */
export function handoffCard(handoff, session, { words, times }, selected, { open, move }) {
  const { from, to, reason, state } = handoff;
  const channel = to.channel ?? from.channel ?? "other";
  /** @param {Event} event */
  const opens = (event) => {
    if (!(/** @type {Element} */ (event.target).closest("button, input, form"))) open();
  };
  return h(
    "li",
    { class: `card ${state}${selected ? " selected" : ""}`, tabindex: "0", onclick: opens, "data-id": handoff.id, "aria-current": selected ? "true" : null },
    h(
      "p",
      { class: "card-head" },
      icon(channel),
      h("span", { class: "hidden" }, words.name("channel", channel)),
      userText(partyName(from)),
      " → ",
      userText(to.queue ?? partyName(to)),
      times.element(handoff.requested_at, "since"),
    ),
    h("p", { class: "card-why" }, userText(reason)),
    state === "offered"
      ? h(
          "p",
          { class: "quiet" },
          words.nodes("queue.offered_to", { who: to.agent ?? "–" }),
          handoff.offer_until ? [" · ", times.element(handoff.offer_until, "ago")] : null,
        )
      : null,
    h(
      "div",
      { class: "moves" },
      button(words.text("move.open"), open, { "aria-label": words.text("move.open.this", { reason: reason.slice(0, 80) }) }),
      moveButtons(handoff, session, words, move),
    ),
  );
}

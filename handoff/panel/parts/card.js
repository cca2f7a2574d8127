// @ts-check
/** One handoff in the queue: who, why, how urgent; its moves while it is the active row. */

import { agentOf, partyName } from "../data/handoffs.js";
import { button, h, icon, userText } from "../dom/dom.js";
import { moveButtons } from "./handoff.js";
import { deadlineOf, pressureOf } from "./queue/urgency.js";

/** @typedef {import("../data/types.js").Handoff} Handoff */
/** @typedef {import("../dom/element.js").Locale} Locale */
/**
 * @typedef {object} CardState what a card shows beside its handoff
 * @property {string | null | undefined} name the customer's; null for one without, undefined before it was read
 * @property {string | null} waiting since when the customer waits for an answer
 * @property {boolean} longest whether that wait puts it before others
 * @property {boolean} selected
 */

const MINUTES_FROM_S = 120; // from here on a countdown shows minutes
const HOURS_FROM_S = 3 * 3600; // and from here on hours
const SHORT_REASON = 80; // characters of a reason in a button's name

/**
 * @param {Handoff} handoff
 * @param {import("../data/api.js").Session} session
 * @param {Locale} locale
 * @param {CardState} state
 * @param {{open: () => void, move: import("./forms/moves.js").Act}} actions
 */
export function handoffCard(handoff, session, locale, state, { open, move }) {
  const { words } = locale;
  const { id, reason } = handoff;
  const who = state.name ?? (state.name === null ? words.text("card.unknown") : partyName(handoff.from));
  const opens = (/** @type {Event} */ event) => {
    if (!(/** @type {Element} */ (event.target).closest("button"))) open();
  };
  return h(
    "li",
    { class: `card ${handoff.state}${state.selected ? " selected" : ""}`, tabindex: "-1", onclick: opens, "data-id": id, "aria-current": state.selected ? "true" : null, "aria-labelledby": `who-${id} why-${id} due-${id}` },
    h("p", { class: "card-head" }, h("strong", { id: `who-${id}`, class: "card-who", dir: "auto" }, userText(who)), countdown(handoff)),
    h("p", { id: `why-${id}`, class: "card-why", title: reason, dir: "auto" }, userText(reason)),
    h("p", { class: "card-facts" }, h("span", { class: "card-way" }, wayOf(handoff, locale), otherAgent(handoff, session, words)), waits(handoff, locale, state)),
    h(
      "div",
      { class: "card-moves" },
      moveButtons(handoff, session, words, move, who),
      state.selected ? null : button(words.text("move.open"), open, { class: "plain", "aria-label": words.text("move.open.this", { reason: reason.slice(0, SHORT_REASON) }) }),
    ),
  );
}

/** @param {Handoff} handoff @param {Locale} locale */
function wayOf({ from, to }, { words }) {
  const channel = to.channel ?? from.channel ?? "other";
  const named = words.name("channel", channel);
  return [icon(channel), h("span", { class: "hidden" }, named), userText(partyName(from)), h("span", { class: "arrow" }, " → "), userText(to.queue ?? partyName(to))];
}

/** @param {Handoff} handoff @param {import("../data/api.js").Session} session @param {import("../text/words.js").Words} words */
function otherAgent({ state, to }, session, words) {
  const other = state === "offered" && to.agent && to.agent !== agentOf(session);
  return other ? [" · ", words.nodes("queue.offered_to", { who: to.agent })] : null;
}

/** Filled by `keepTimes`. @param {Handoff} handoff */
function countdown(handoff) {
  const deadline = deadlineOf(handoff);
  const shown = h("span", { id: `due-${handoff.id}`, class: "countdown", "aria-live": "off" });
  if (!deadline) return shown;
  Object.assign(shown.dataset, { at: deadline.at, length: deadline.length });
  return shown;
}

/** @param {Handoff} handoff @param {Locale} locale @param {CardState} state */
function waits(handoff, { words }, { waiting, longest }) {
  const accepted = handoff.state === "accepted" ? handoff.history.findLast((it) => it.state === "accepted") : null;
  const own = accepted ? ["card.yours_for", accepted.at] : ["card.in_queue", handoff.requested_at];
  return [
    h("span", { "data-since": own[1], "data-text": own[0] }),
    waiting ? h("span", { class: "customer-waits", "data-since": waiting, "data-text": "card.waiting" }) : null,
    longest ? h("span", { class: "longest" }, words.text("card.longest")) : null,
  ];
}

/**
 * Bring all times up to date. The queue calls this every second for all its cards.
 * @param {ParentNode} root @param {Locale} locale
 */
export function keepTimes(root, locale) {
  const now = Date.now();
  for (const it of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll(".countdown[data-at]"))) {
    const deadline = { at: Number(it.dataset.at), length: Number(it.dataset.length) };
    const pressure = pressureOf(deadline, now);
    if (it.dataset.pressure !== pressure) it.dataset.pressure = pressure;
    const left = (deadline.at - now) / 1000;
    setText(it, locale.words.text(left > 0 ? "card.due" : "card.overdue", { length: lengthOf(Math.abs(left), locale) }));
  }
  for (const it of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-since]"))) {
    const length = locale.times.lasting((now - Date.parse(String(it.dataset.since))) / 1000);
    setText(it, locale.words.text(String(it.dataset.text), { length }));
  }
}

/** @param {HTMLElement} element @param {string} text */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A duration, to the second while it is short and to the hour while it is long. @param {number} seconds @param {Locale} locale */
function lengthOf(seconds, { times }) {
  if (seconds < MINUTES_FROM_S) return inSeconds(times.language).format(Math.ceil(seconds));
  return times.lasting(seconds < HOURS_FROM_S ? seconds : seconds - (seconds % 3600));
}

/** @type {Map<string, Intl.NumberFormat>} */
const formats = new Map();

/** @param {string} language */
function inSeconds(language) {
  const format = formats.get(language) ?? new Intl.NumberFormat(language, { style: "unit", unit: "second", unitDisplay: "short" });
  formats.set(language, format);
  return format;
}

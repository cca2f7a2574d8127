// @ts-check
/** The customer's way through the channels, with the waits between. */

import { badge, h } from "../../dom/dom.js";
import { isMinor } from "../entry.js";

/** @typedef {import("../../data/types.js").Context} Context */
/** @typedef {import("../../data/types.js").Touchpoint} Touchpoint */
/** @typedef {import("../../dom/element.js").Locale} Locale */
/** @typedef {{channel: string, from: string, until: string, touchpoint: string | null}} Step without a touchpoint, it is not loaded */

const SHOWN = 8; // steps, the newest
const SHORTEST_S = 60; // a wait that is shown

/**
 * The steps, oldest first: one for each stretch of a conversation on one channel. Conversations older than the loaded
 * touchpoints have one step each.
 * @param {Context} context
 * @returns {Step[]}
 */
export function journeyOf(context) {
  const touchpoints = context.timeline?.touchpoints ?? [];
  const oldest = touchpoints.at(-1)?.occurred_at;
  /** @type {(Step & {conversation: string})[]} */
  const steps = [];
  const older = (context.conversations ?? []).filter((it) => context.timeline?.next && oldest && it.opened_at < oldest && it.channels.length);
  older.sort((one, other) => (one.opened_at < other.opened_at ? -1 : 1));
  const loaded = new Set(touchpoints.map((it) => it.conversation_id));
  for (const it of older.filter(({ id }) => !loaded.has(id))) {
    steps.push({ channel: it.channels[0], from: it.opened_at, until: it.opened_at, touchpoint: null, conversation: it.id });
  }
  for (const it of [...touchpoints].reverse()) {
    if (!isContact(it)) continue;
    const last = steps.at(-1);
    if (last && last.channel === it.channel && last.conversation === it.conversation_id) last.until = it.occurred_at;
    else steps.push({ channel: it.channel, from: it.occurred_at, until: it.occurred_at, touchpoint: it.id, conversation: it.conversation_id });
  }
  return steps.map(({ channel, from, until, touchpoint }) => ({ channel, from, until, touchpoint }));
}

/** Whether the customer and we were in touch, or the customer was looking. @param {Touchpoint} it */
function isContact(it) {
  return it.direction !== "internal" && it.visibility === "public" && !it.participant_of && !(isMinor(it) && !it.type.startsWith("page."));
}

/**
 * @param {Context} context
 * @param {Locale} locale
 * @param {(step: Step) => void} go
 */
export function ribbonPart(context, { words, times }, go) {
  const steps = journeyOf(context);
  if (steps.length < 2) return [];
  const shown = steps.slice(-SHOWN);
  const earlier = steps.length - shown.length;
  const items = shown.map((step, at) => {
    const sameDay = at > 0 && times.dayKey(step.from) === times.dayKey(shown[at - 1].from);
    const next = shown[at + 1];
    const wait = next ? (Date.parse(next.from) - Date.parse(step.until)) / 1000 : 0;
    const name = words.name("channel", step.channel);
    const button = h(
      "button",
      { type: "button", class: "step", part: "step", "data-channel": step.channel, onclick: () => go(step) },
      badge(step.channel),
      name,
      " ",
      h("span", { class: "quiet" }, times.element(step.from, sameDay ? "clock" : "short")),
    );
    const gap = wait >= SHORTEST_S ? times.lasting(wait) : "";
    return h("li", {}, button, next ? h("span", { class: "gap" }, gap) : null);
  });
  const text = shown.map((step) => `${words.name("channel", step.channel)} ${times.short(step.from)}`).join(" → ");
  const row = h("ol", {}, earlier ? h("li", { class: "gap" }, words.text("ribbon.earlier", { count: earlier })) : null, items);
  window.requestAnimationFrame(() => row.scrollTo({ left: (row.matches(":dir(rtl)") ? -1 : 1) * row.scrollWidth })); // the newest step
  return [h("p", { class: "hidden" }, words.text("ribbon.text", { steps: text })), row];
}

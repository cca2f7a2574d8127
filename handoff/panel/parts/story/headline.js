// @ts-check
/** The top of the story: one sentence (who, what, since when, what was promised), and a strip of alerts. */

import { button, h, userText } from "../../dom/dom.js";
import { sentence } from "../brief.js";
import { customerName } from "../names.js";

/** @typedef {import("../../data/types.js").Context} Context */
/** @typedef {import("../../data/types.js").Handoff} Handoff */
/** @typedef {import("../../data/types.js").Line} Line */
/** @typedef {import("../../dom/element.js").Locale} Locale */
/** @typedef {import("../../dom/dom.js").Child} Child */

const SHORT = 140; // characters of the customer's words
const URGENCY = Object.freeze(["missed", "broken", "overdue", "open", "served", "kept"]); // states of promises, what matters most first
const FAILED = Object.freeze(["missed", "broken", "overdue"]);
const CONTACTS = 3; // from so many on, the customer has asked before
const LOW = 0.5; // of the best score

/** @param {string} text */
function shortened(text) {
  return text.length > SHORT ? `${text.slice(0, SHORT).trimEnd()}…` : text;
}

/** @param {import("../../data/types.js").Brief["wants"]} lines */
function linesOf(lines) {
  return /** @type {Line[]} */ (lines);
}

/** The promise that matters most now: a failed one, else an open one. @param {Line[]} promised */
function promiseOf(promised) {
  const known = promised.filter((it) => !it.candidate && URGENCY.includes(it.params.state));
  return known.sort((one, other) => URGENCY.indexOf(one.params.state) - URGENCY.indexOf(other.params.state))[0] ?? null;
}

/**
 * One sentence: who wants what, since when, and what was promised.
 * @param {Context} context
 * @param {Handoff | null} handoff
 * @param {Locale} locale
 */
export function headline(context, handoff, locale) {
  const { customer, brief } = context;
  if (!customer || !brief) return null;
  const { words, times } = locale;
  const [wants, why, promised] = [linesOf(brief.wants), linesOf(brief.why_now), linesOf(brief.promised)];
  const who = h("strong", {}, userText(customerName(customer, words)));
  const wish = wants.find((it) => it.params.words && it.code !== "dormant" && it.code !== "candidate_words");
  const reason = handoff?.reason ?? why.find((it) => it.code === "handoff_requested")?.params.reason;
  const asked = wish ? words.nodes("story.wants", { who, words: shortened(wish.params.words) }) : null;
  const clauses = [asked ?? (reason ? words.nodes("story.reason", { who, reason: shortened(reason) }) : [who])];
  const waiting = why.find((it) => it.code === "waiting")?.params.since;
  if (waiting) clauses.push(words.nodes("story.waiting", { length: times.element(waiting, "since"), since: times.element(waiting) }));
  else if (brief.effort.since) clauses.push(words.nodes("story.since", { at: times.element(brief.effort.since, "ago") }));
  const promise = promiseOf(promised);
  if (promise) {
    const state = h("span", { class: `state ${promise.params.state}` }, words.name("state", promise.params.state));
    clauses.push(words.nodes("story.promised", { promise: h("span", {}, sentence(promise, locale)), state }));
  }
  return h("p", { class: "headline", part: "headline" }, clauses.flatMap((it, at) => (at ? ["; ", ...it] : it)));
}

/**
 * Everything that an agent must know before the first word.
 * @param {Context} context
 * @returns {{key: string, bad: boolean, values: Record<string, unknown>, touchpoints: string[]}[]}
 */
export function alertsOf({ brief, left_out }) {
  /** @type {ReturnType<typeof alertsOf>} */
  const found = [];
  if (!brief) return found;
  /** @param {string} key @param {Line | null | undefined} line @param {boolean} bad @param {Record<string, unknown>} [values] */
  const add = (key, line, bad, values = {}) => {
    if (line) found.push({ key, bad, values, touchpoints: line.touchpoints });
  };
  const failed = linesOf(brief.promised).filter((it) => !it.candidate && FAILED.includes(it.params.state));
  for (const state of FAILED) {
    const line = failed.find((it) => it.params.state === state);
    add(`alert.${line?.code === "callback" ? "callback" : "promise"}.${state}`, line, true);
  }
  add("alert.complaint", brief.feelings.find((it) => it.code === "complaint" && it.params.state === "open"), true);
  const scored = brief.feelings.find((it) => it.code === "survey" && isLow(it.params.score, it.params.out_of));
  add("alert.score", scored, true, { score: scored?.params.score, out_of: scored?.params.out_of });
  add("alert.ping_pong", brief.why_now.find((it) => it.code === "ping_pong"), false, { count: brief.effort.transfers });
  const returned = brief.why_now.find((it) => it.code === "returned");
  add("alert.returned", returned, false, { count: returned?.params.times });
  if (brief.effort.contacts >= CONTACTS) {
    found.push({ key: "alert.contacts", bad: false, values: { count: brief.effort.contacts }, touchpoints: [] });
  }
  const withdrawn = brief.known.find((it) => it.code === "consent_withdrawn");
  add("alert.consent", withdrawn, false, { purpose: withdrawn?.params.purpose });
  if (left_out.limited) found.push({ key: "alert.limited", bad: false, values: {}, touchpoints: [] });
  return found;
}

/** Whether a score is in the lower half. Without the best one, it is unknown. @param {unknown} score @param {unknown} best */
function isLow(score, best) {
  const [got, most] = [Number.parseFloat(String(score)), Number.parseFloat(String(best))];
  return most > 0 && got / most <= LOW;
}

/**
 * The alerts; each that has evidence is a button to it.
 * @param {Context} context
 * @param {Locale} locale
 * @param {(touchpoints: string[]) => void} jump
 * @returns {Child[]}
 */
export function alertStrip(context, { words }, jump) {
  return alertsOf(context).map(({ key, bad, values, touchpoints }) => {
    const look = { class: `alert${bad ? " bad" : ""}`, part: `alert${bad ? " bad" : ""}`, "data-alert": key };
    const text = words.text(key, values);
    return h("li", {}, touchpoints.length ? button(text, () => jump(touchpoints), look) : h("span", look, text));
  });
}

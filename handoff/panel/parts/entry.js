// @ts-check
/** One touchpoint in the timeline. */

import { badge, button, h, handle, userText } from "../dom/dom.js";
import { derivation, unsure } from "./brief.js";
import { isGenerated } from "./names.js";
import { revealPart } from "./reveal.js";

/** @typedef {import("../data/types.js").Touchpoint} Touchpoint */
/** @typedef {import("../dom/element.js").Locale} Locale */

const LONG = 700; // characters shown before “Show all”
const MINOR = /^(page\.|event\.|identity\.|context\.|conversation\.|brief\.|message\.(delivered|read)|handoff\.(offered|viewed))/;
const STEP = /^(call|callback)\.|^message\.(delivered|read)$/;
const FAMILIES = Object.freeze({ handoff: "handoff", context: "handoff", identity: "handoff", conversation: "handoff", note: "note", promise: "promise" });

/** Whether it means little by itself. @param {Touchpoint} it */
export function isMinor(it) {
  return MINOR.test(it.type) && !it.text;
}

/** Whether it is one step of something longer, such as a call that rings. @param {Touchpoint} it */
export function isStep(it) {
  return STEP.test(it.type) && !it.text;
}

/** @param {Touchpoint} it */
function iconOf(it) {
  return /** @type {Record<string, string>} */ (FAMILIES)[it.type.split(".")[0]] ?? it.channel;
}

/**
 * @param {Touchpoint} it
 * @param {Locale} locale
 * @param {{who: string, fresh: boolean, opened: Set<string>, reveal: import("./reveal.js").Reveal | null, separate: ((id: string) => void) | null}} state
 *   `opened` has the ids of long texts shown whole; `reveal` is null if the agent may not see masked numbers, `separate`, which
 *   shows a copy by itself, if they may not link
 */
export function entryNode(it, locale, { who, fresh, opened, reveal, separate }) {
  const { words, times } = locale;
  const note = it.type === "note.added";
  const kind = `entry ${it.direction}${isMinor(it) ? " minor" : ""}${it.visibility === "internal" ? " private" : ""}${note ? " note" : ""}`;
  return h(
    "article",
    { class: kind, part: `entry ${it.direction}`, tabindex: "-1", "data-id": it.id, "data-channel": it.channel },
    badge(it.channel, iconOf(it)),
    h(
      "div",
      { class: "entry-body" },
      h(
        "p",
        { class: "entry-head" },
        h("span", { class: "who" }, userText(who)),
        h("span", { class: "what" }, words.name("type", it.type)),
        h("span", { class: "hidden" }, words.name("channel", it.channel)),
        marks(it, fresh, locale),
        times.element(it.occurred_at, "clock"),
      ),
      content(it, locale, opened),
      copies(it, locale, separate),
      it.masked && reveal ? revealPart(it, reveal, locale) : null,
    ),
  );
}

/** @param {Touchpoint} it @param {boolean} fresh @param {Locale} locale */
function marks(it, fresh, { words, times }) {
  const late = it.late
    ? h("span", { class: "mark late", title: words.text("mark.late.why", { at: times.short(it.recorded_at) }) }, words.text("mark.late"))
    : null;
  return [
    fresh ? h("span", { class: "mark new" }, words.text("mark.new")) : null,
    late,
    unsure(it.assurance, words),
    it.visibility === "internal" && it.type === "note.added" ? h("span", { class: "mark" }, words.text("mark.internal")) : null,
    it.deleted ? h("span", { class: "mark" }, words.text("mark.deleted")) : null,
    it.amended_by && !it.deleted ? h("span", { class: "mark" }, words.text("mark.edited")) : null,
    it.participant_of ? h("span", { class: "mark" }, words.text("mark.participant")) : null,
    it.transcript_of ? h("span", { class: "mark" }, words.text("mark.transcript", { at: times.short(it.transcript_of.at) })) : null,
    it.masked ? h("span", { class: "mark", title: words.text("mark.masked.why") }, words.text("mark.masked")) : null,
  ];
}

/** The further ways by which the same act arrived. @param {Touchpoint} it @param {Locale} locale @param {((id: string) => void) | null} separate */
function copies(it, { words }, separate) {
  if (!it.also?.length) return null;
  const ways = it.also.map((copy) => {
    const way = { channel: words.name("channel", copy.channel), source: copy.source };
    const act = separate
      ? button(words.text("also.separate"), () => separate(copy.id), { class: "more", "aria-label": words.text("also.separate.this", way) })
      : null;
    return h("li", { "data-id": copy.id }, userText(words.text("also.by", way)), act ? [" ", act] : null);
  });
  return h("ul", { class: "also quiet" }, ways);
}

/** @param {Touchpoint} it @param {Locale} locale @param {Set<string>} opened */
function content(it, locale, opened) {
  const { words, times } = locale;
  const title = summary(it);
  const files = it.attachments.map((file) => h("li", {}, "📎 ", userText(file.name ?? file.filename ?? file.type ?? "")));
  return [
    it.subject ? h("p", { class: "subject" }, userText(it.subject)) : null,
    title ? h("p", { class: "detail" }, userText(title)) : null,
    it.data.due ? h("p", { class: "detail" }, words.nodes("due", { at: times.element(String(it.data.due), "both") })) : null,
    it.text ? textNode(it.id, it.text, words, opened) : null,
    ...derivedNodes(it, words),
    files.length ? h("ul", { class: "attachments" }, files) : null,
    details(it, locale),
  ];
}

/** Derived texts, such as a transcript: first those that count, then those that were replaced.
 * @param {Touchpoint} it @param {import("../text/words.js").Words} words */
function derivedNodes(it, words) {
  const texts = it.derived ?? [];
  const node = (/** @type {import("../data/types.js").Derived} */ one) =>
    h(
      "div",
      { class: "derived", tabindex: "-1", "data-derived": one.id },
      h("p", { class: "text", dir: "auto", lang: one.language || undefined }, one.speaker ? h("span", { class: "quiet" }, `${words.text(`speaker.${one.speaker}`)}: `) : null, one.text),
      h("p", { class: "detail" }, h("span", { class: "mark" }, derivation(one, words))),
    );
  const replaced = texts.filter((one) => one.superseded);
  return [
    ...texts.filter((one) => !one.superseded).map(node),
    replaced.length
      ? h("details", { class: "replaced" }, h("summary", { class: "quiet" }, words.text("derived.superseded", { count: replaced.length })), replaced.map(node))
      : null,
    it.derived_left_out ? h("p", { class: "quiet" }, words.text("derived.more", { count: it.derived_left_out })) : null,
  ];
}

/** @param {string} id @param {string} text @param {import("../text/words.js").Words} words @param {Set<string>} opened */
function textNode(id, text, words, opened) {
  const long = text.length > LONG && !opened.has(id);
  const shown = h("p", { class: "text", dir: "auto" }, long ? `${text.slice(0, LONG)}…` : text);
  if (!long) return shown;
  const more = button(words.text("text.more", { count: text.length }), () => {
    opened.add(id);
    shown.textContent = text;
    const entry = /** @type {HTMLElement | null} */ (more.closest(".entry"));
    more.remove();
    entry?.focus({ preventScroll: true });
  }, { class: "more" });
  return [shown, more];
}

/** The remaining fields, as the source sent them, but for generated ids. @param {Touchpoint} it @param {Locale} locale */
function details(it, { words, times }) {
  const rows = () => [
    ...(isGenerated(it.identity.replace(/^[^:]*:/, "")) ? [] : [[words.text("detail.identity"), handle(it.identity)]]),
    [words.text("detail.source"), userText(it.source)],
    [words.text("detail.occurred"), times.element(it.occurred_at, "both")],
    [words.text("detail.recorded"), times.element(it.recorded_at, "both")],
    ...readable(it.data).map(([name, value]) => [userText(name), userText(value)]),
  ];
  const list = h("dl", {});
  return h(
    "details",
    { ontoggle: () => list.childElementCount || list.append(...rows().flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])) },
    h("summary", { "aria-label": words.text("detail.of", { what: words.name("type", it.type), at: times.clock(it.occurred_at) }) }, "⋯"),
    list,
  );
}

/** The data of a touchpoint without what only machines read. @param {Record<string, unknown>} data @returns {[string, string][]} */
function readable(data) {
  /** @param {unknown} value @returns {unknown} */
  const kept = (value) => {
    if (Array.isArray(value)) return value.filter((it) => !isGenerated(it)).map(kept);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).filter(([, it]) => typeof it !== "string" || !isGenerated(it)).map(([name, it]) => [name, kept(it)]));
  };
  return Object.entries(/** @type {Record<string, unknown>} */ (kept(data)))
    .map(([name, value]) => /** @type {[string, string]} */ ([name, typeof value === "object" ? JSON.stringify(value) : String(value)]))
    .filter(([, value]) => value !== "{}" && value !== "[]");
}

/** A one-line summary from the touchpoint's data. @param {Touchpoint} it */
function summary(it) {
  const { data } = it;
  const found = [data.title, data.query, data.form, data.error, data.name, data.reason, data.url, data.status];
  const text = found.filter((value) => typeof value === "string" && value !== it.text && value !== it.subject && !isGenerated(value));
  return [...new Set(text)].slice(0, 2).join(" – ").slice(0, 300);
}

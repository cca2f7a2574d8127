// @ts-check
/** What an owner was shown, byte for byte, and what has come since. */

import { button, h, said } from "./dom.js";

/** @typedef {import("./types.js").Touchpoint} Touchpoint */
/** @typedef {import("./types.js").Handoff} Handoff */

const BOOKKEEPING = /^(handoff|identity|context)\./; // follows from what was pinned and says nothing new
const MOST = 20; // named one by one; the timeline can show all of them

/**
 * What is loaded, was not in the snapshot, and came after it or lies within what it listed.
 * @param {any} snapshot
 * @param {Handoff} handoff
 * @param {Touchpoint[]} loaded newest first
 */
export function newsSince(snapshot, handoff, loaded) {
  /** @type {any[]} */
  const pinned = snapshot.timeline?.touchpoints ?? [];
  const listed = new Set(pinned.map((it) => (typeof it === "string" ? it : it.id)));
  const accepted = handoff.history.findLast((it) => it.state === "accepted")?.at;
  const taken = (handoff.snapshot?.at === "accepted" && accepted) || handoff.requested_at;
  const oldest = pinned.at(-1)?.occurred_at ?? taken;
  return loaded.filter(
    (it) => !BOOKKEEPING.test(it.type) && !listed.has(it.id) && (it.recorded_at >= taken || it.occurred_at >= oldest),
  );
}

/**
 * @param {Handoff} handoff
 * @param {Touchpoint[]} news
 * @param {import("./brief.js").Voice} voice
 * @param {(id: string) => void} jump
 * @param {() => boolean} toggle show only these, or all again; whether it is only these now
 */
export function compareSection(handoff, news, { words, times }, jump, toggle) {
  if (!handoff.snapshot) return null;
  const only = button(words.text("compare.only"), () => only.setAttribute("aria-pressed", String(toggle())), {
    "aria-pressed": "false",
    class: "chip",
  });
  const lines = news.slice(0, MOST).map((it) =>
    h(
      "li",
      { class: "line" },
      h("span", { class: "line-text" }, times.element(it.occurred_at), ` ${words.name("type", it.type)} `, said((it.text ?? it.subject ?? "").slice(0, 120))),
      button("↓", () => jump(it.id), { class: "jump", "aria-label": words.text("brief.show", { count: 1 }) }),
    ),
  );
  return h(
    "section",
    { class: "part compare", "aria-label": words.text("compare.title") },
    h("h3", {}, words.text("compare.title")),
    h("p", { class: "quiet" }, words.text(`compare.at.${handoff.snapshot.at}`), ` · SHA-256 ${handoff.snapshot.sha256.slice(0, 12)}…`),
    h("p", {}, words.text("compare.news", { count: news.length })),
    h("ul", { class: "lines" }, lines),
    news.length ? only : null,
  );
}

// @ts-check
/** What an owner was shown, byte for byte, and what is known now: touchpoints, the brief, who it is. */

import { briefLine, plain, SECTIONS } from "./brief.js";
import { button, h, handle, said } from "./dom.js";

/** @typedef {import("./types.js").Touchpoint} Touchpoint */
/** @typedef {import("./types.js").Handoff} Handoff */
/** @typedef {import("./types.js").Context} Context */
/** @typedef {import("./types.js").Identity} Identity */
/** @typedef {import("./types.js").Line} Line */
/** @typedef {import("./brief.js").Voice} Voice */
/** @typedef {{section: string, then: Line | null, now: Line | null}} Change a line that came, went or says another thing */
/** @typedef {{then: Identity | null, now: Identity | null}} Move an identity that came, went or is surer or less sure */

const BOOKKEEPING = /^(handoff|identity|context)\./; // follows from what was pinned and says nothing new
const MOST = 20; // named one by one; the timeline can show all of them
const SAYS = Object.freeze(["state", "value", "due", "attempts", "transfers"]); // of a line: may become another
const MOVES = Object.freeze([...SAYS, "minutes", "before"]); // what a line is not known by
const CLOCK = "waiting"; // this line moves with the clock alone

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
 * Lines of the brief that are not as they were, in its order.
 * @param {Context} snapshot
 * @param {Context} context
 * @returns {Change[]}
 */
export function changedLines(snapshot, context) {
  return ["why_now", ...SECTIONS].flatMap((section) => {
    const before = known(snapshot, section);
    const after = known(context, section);
    const came = [...after].map(([key, now]) => ({ section, then: before.get(key) ?? null, now }));
    const went = [...before].filter(([key]) => !after.has(key)).map(([, then]) => ({ section, then, now: null }));
    return [...came.filter((it) => !it.then || value(it.then) !== value(it.now)), ...went];
  });
}

/** @param {Context} context @param {string} section @returns {Map<string, Line>} */
function known(context, section) {
  /** @type {Line[]} */
  const lines = /** @type {any} */ (context.brief)?.[section] ?? [];
  return new Map(lines.filter((it) => it.code !== CLOCK).map((it) => [keyOf(it), it]));
}

/** What it is about, whatever it says of it now. @param {Line} line */
function keyOf(line) {
  const fixed = Object.entries(line.params).filter(([name]) => !MOVES.includes(name)).sort();
  return JSON.stringify([line.code, line.assurance, fixed]);
}

/** @param {Line} line */
function value(line) {
  return JSON.stringify(SAYS.map((name) => line.params[name] ?? null));
}

/** @param {Context} snapshot @param {Context} context @returns {Move[]} */
export function changedIdentities(snapshot, context) {
  const nameOf = (/** @type {Identity} */ it) => JSON.stringify([it.type, it.space, it.value]);
  const before = new Map((snapshot.customer?.identities ?? []).map((it) => [nameOf(it), it]));
  const after = new Map((context.customer?.identities ?? []).map((it) => [nameOf(it), it]));
  const names = new Set([...after.keys(), ...before.keys()]);
  const moves = [...names].map((name) => ({ then: before.get(name) ?? null, now: after.get(name) ?? null }));
  return moves.filter((it) => it.then?.assurance !== it.now?.assurance);
}

/**
 * @typedef {object} Comparison
 * @property {any} snapshot
 * @property {Context} context
 * @property {Handoff} handoff
 * @property {Touchpoint[]} news
 */

/**
 * @param {Comparison} comparison
 * @param {Voice} voice
 * @param {(ids: string[]) => void} jump
 * @param {() => boolean} toggle show only the news, or all again; whether it is only these now
 */
export function compareSection({ snapshot, context, handoff, news }, voice, jump, toggle) {
  const { words } = voice;
  if (!handoff.snapshot) return null;
  const lines = changedLines(snapshot, context);
  const identities = changedIdentities(snapshot, context);
  const only = button(words.text("compare.only"), () => only.setAttribute("aria-pressed", String(toggle())), {
    "aria-pressed": "false",
    class: "chip",
  });
  return h(
    "section",
    { class: "part compare", "aria-label": words.text("compare.title") },
    h("h3", {}, words.text("compare.title")),
    h("p", { class: "quiet" }, words.text(`compare.at.${handoff.snapshot.at}`), ` · SHA-256 ${handoff.snapshot.sha256.slice(0, 12)}…`),
    identities.length ? [h("h4", {}, words.text("who.identities")), h("ul", { class: "lines" }, identities.map((it) => identityChange(it, voice)))] : null,
    lines.length ? lineChanges(lines, voice, jump) : h("p", {}, words.text("compare.same")),
    h("p", {}, words.text("compare.news", { count: news.length })),
    h("ul", { class: "lines" }, news.slice(0, MOST).map((it) => newsLine(it, voice, jump))),
    news.length ? only : null,
  );
}

/** @param {Change[]} changes @param {Voice} voice @param {(ids: string[]) => void} jump */
function lineChanges(changes, voice, jump) {
  const { words } = voice;
  const sections = [...new Set(changes.map((it) => it.section))];
  return sections.flatMap((section) => [
    h("h4", {}, words.text(`brief.${section}`)),
    h("ul", { class: "lines" }, changes.filter((it) => it.section === section).map((it) => lineChange(it, voice, jump))),
  ]);
}

/** @param {Change} change @param {Voice} voice @param {(ids: string[]) => void} jump */
function lineChange({ then, now }, voice, jump) {
  const { words } = voice;
  const line = briefLine(/** @type {Line} */ (now ?? then), voice, jump);
  const text = line.querySelector(".line-text");
  if (!now) text?.append(" ", h("span", { class: "mark" }, words.text("compare.gone")));
  else if (!then) text?.append(" ", h("span", { class: "mark new" }, words.text("mark.new")));
  else text?.append(" ", h("span", { class: "quiet" }, words.nodes("compare.was", { before: before(then, voice) })));
  return line;
}

/** What a line said then, shortly. @param {Line} then @param {Voice} voice */
function before(then, voice) {
  const { state } = then.params;
  return state ? voice.words.name("state", state) : plain(then, voice);
}

/** @param {Move} move @param {Voice} voice */
function identityChange({ then, now }, { words }) {
  const it = /** @type {Identity} */ (now ?? then);
  const was = then && now ? h("span", { class: "quiet" }, words.nodes("compare.was", { before: words.name("assurance", then.assurance) })) : null;
  return h(
    "li",
    { class: "line" },
    h("span", { class: "line-text" }, h("span", { class: "kind" }, words.name("identity", it.type)), " ", handle(it.value), ` ${words.name("assurance", it.assurance)} `, was,
      now ? null : h("span", { class: "mark" }, words.text("compare.gone")),
      then ? null : h("span", { class: "mark new" }, words.text("mark.new"))),
  );
}

/** @param {Touchpoint} it @param {Voice} voice @param {(ids: string[]) => void} jump */
function newsLine(it, { words, times }, jump) {
  return h(
    "li",
    { class: "line" },
    h("span", { class: "line-text" }, times.element(it.occurred_at), ` ${words.name("type", it.type)} `, said((it.text ?? it.subject ?? "").slice(0, 120))),
    button("↓", () => jump([it.id]), { class: "jump", "aria-label": words.text("brief.show", { count: 1 }) }),
  );
}

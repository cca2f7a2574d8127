// @ts-check
/** The brief by matter: each wish with its references, and with what was tried, answered and promised for it. */

import { h, userText } from "../../dom/dom.js";
import { briefLine, SECTIONS } from "../brief.js";

/** @typedef {import("../../data/types.js").Brief} Brief */
/** @typedef {import("../../data/types.js").Context} Context */
/** @typedef {import("../../data/types.js").Line} Line */
/** @typedef {import("../../dom/element.js").Locale} Locale */
/** @typedef {import("../brief.js").LineActs} LineActs */
/** @typedef {{number: number, wants: Line[], others: {section: string, line: Line}[], references: {name: string, value: string}[]}} MatterLines */
/** @typedef {{matters: MatterLines[], sections: Record<string, Line[]>}} Grouping `sections` are the lines of no single matter */

const MOVED = Object.freeze(["tried", "answered", "promised", "feelings"]); // sections whose lines may belong to a matter

/** @param {Brief} brief @param {string} section @returns {Line[]} */
function linesOf(brief, section) {
  return /** @type {any} */ (brief)[section] ?? [];
}

/**
 * Group lines by matter. A line belongs to a matter if they share a touchpoint, else if their conversation is about
 * this matter alone.
 * @param {Brief} brief
 * @param {{id: string, conversation_id: string}[]} touchpoints those known, for their conversations
 * @returns {Grouping}
 */
function grouping(brief, touchpoints) {
  /** @type {Map<number, MatterLines>} */
  const matters = new Map();
  const sections = Object.fromEntries(SECTIONS.map((name) => [name, [...linesOf(brief, name)]]));
  for (const line of brief.wants.filter((it) => it.params.matter !== undefined)) {
    const number = Number(line.params.matter);
    const matter = matters.get(number) ?? { number, wants: [], others: [], references: [] };
    matter.wants.push(line);
    matter.references.push(.../** @type {any[]} */ (line.params.references ?? []));
    matters.set(number, matter);
  }
  sections.wants = sections.wants.filter((it) => it.params.matter === undefined);
  const owner = ownerFinder([...matters.values()], new Map(touchpoints.map((it) => [it.id, it.conversation_id])));
  if (matters.size > 1) {
    for (const section of MOVED) {
      sections[section] = sections[section].filter((line) => {
        const matter = owner(line);
        matter?.others.push({ section, line });
        return !matter;
      });
    }
  }
  return { matters: [...matters.values()], sections };
}

/** @param {MatterLines[]} matters @param {Map<string, string>} conversations of touchpoints */
function ownerFinder(matters, conversations) {
  const proofs = matters.map((it) => new Set(it.wants.flatMap((line) => line.touchpoints)));
  const talks = proofs.map((ids) => new Set([...ids].map((id) => conversations.get(id)).filter(Boolean)));
  /** @param {Line} line */
  return (line) => {
    const shared = matters.filter((_, at) => line.touchpoints.some((id) => proofs[at].has(id)));
    if (shared.length) return shared.length === 1 ? shared[0] : null;
    const about = matters.filter((_, at) => line.touchpoints.some((id) => talks[at].has(conversations.get(id))));
    return about.length === 1 ? about[0] : null;
  };
}

/**
 * @param {Context} context
 * @param {Locale} locale
 * @param {LineActs} acts
 */
export function briefParts(context, locale, acts) {
  const brief = /** @type {Brief} */ (context.brief);
  const { words } = locale;
  const { matters, sections } = grouping(brief, context.timeline?.touchpoints ?? []);
  return SECTIONS.map((name) => {
    const mine = name === "wants" ? matters : [];
    const left = brief.left_out?.[name];
    if (!sections[name].length && !mine.length && !left) return null;
    const alone = mine.length === 1 ? mine[0] : null;
    return h(
      "section",
      { class: `part ${name}`, part: `brief-section ${name}`, "aria-labelledby": `brief-${name}` },
      h("h3", { id: `brief-${name}` }, words.text(`brief.${name}`), alone ? references(alone) : null),
      mine.map((it) => matterPart(it, locale, acts, alone === null)),
      sections[name].length ? h("ul", { class: "lines" }, sections[name].map((it) => briefLine(it, locale, acts))) : null,
      left ? h("p", { class: "quiet" }, words.text("brief.left_out", { count: left })) : null,
    );
  });
}

/** @param {MatterLines} matter @param {Locale} locale @param {LineActs} acts @param {boolean} titled */
function matterPart(matter, locale, acts, titled) {
  const { words } = locale;
  return h(
    "div",
    { class: "matter", part: "matter", "data-matter": matter.number },
    titled ? h("h4", {}, words.text("brief.matter", { number: matter.number }), references(matter)) : null,
    h(
      "ul",
      { class: "lines" },
      matter.wants.map((it) => briefLine(it, locale, acts)),
      matter.others.map(({ section, line }) => briefLine(line, locale, acts, words.text(`brief.${section}`))),
    ),
  );
}

/** @param {MatterLines} matter */
function references({ references: found }) {
  return found.map(({ name, value }) => h("span", { class: "reference", part: "reference" }, userText(name), name ? " " : "", h("bdi", {}, value)));
}

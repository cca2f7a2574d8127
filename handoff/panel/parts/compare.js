// @ts-check
/** Compare a handoff's snapshot with the current context: touchpoints, brief and identities. */

import { path } from "../data/api.js";
import { briefLine, plain, SECTIONS } from "./brief.js";
import { button, h, handle, textLink, userText } from "../dom/dom.js";

/** @typedef {import("../data/types.js").Touchpoint} Touchpoint */
/** @typedef {import("../data/types.js").Handoff} Handoff */
/** @typedef {import("../data/types.js").Context} Context */
/** @typedef {import("../data/types.js").Identity} Identity */
/** @typedef {import("../data/types.js").Line} Line */
/** @typedef {import("../dom/element.js").Locale} Locale */
/** @typedef {{section: string, then: Line | null, now: Line | null}} Change a line that was added, removed or changed */
/** @typedef {{then: Identity | null, now: Identity | null}} IdentityChange an identity that was added, removed or changed its assurance */

const BOOKKEEPING = /^(handoff|identity|context)\./; // follows from the handoff itself and is not news
const MAX_LISTED = 20; // the timeline can show all of them
const VALUE_PARAMS = Object.freeze(["state", "value", "due", "attempts", "transfers"]); // a line keeps its identity when these change
const VARIABLE_PARAMS = Object.freeze([...VALUE_PARAMS, "minutes", "before"]); // not part of a line's key
const CLOCK = "waiting"; // this line changes with the clock alone

/**
 * Loaded touchpoints that the snapshot lacks: recorded after it, or within the period that it lists.
 * @param {any} snapshot
 * @param {Handoff} handoff
 * @param {Touchpoint[]} loaded newest first
 */
function newsSince(snapshot, handoff, loaded) {
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
 * Changed lines of the brief, in the brief's order.
 * @param {Context} snapshot
 * @param {Context} context
 * @returns {Change[]}
 */
function changedLines(snapshot, context) {
  return ["why_now", ...SECTIONS].flatMap((section) => {
    const before = known(snapshot, section);
    const after = known(context, section);
    const added = [...after].map(([key, now]) => ({ section, then: before.get(key) ?? null, now }));
    const removed = [...before].filter(([key]) => !after.has(key)).map(([, then]) => ({ section, then, now: null }));
    return [...added.filter((it) => !it.then || value(it.then) !== value(it.now)), ...removed];
  });
}

/** @param {Context} context @param {string} section @returns {Map<string, Line>} */
function known(context, section) {
  /** @type {Line[]} */
  const lines = /** @type {any} */ (context.brief)?.[section] ?? [];
  return new Map(lines.filter((it) => it.code !== CLOCK).map((it) => [keyOf(it), it]));
}

/** Identifies a line across changes of its value. @param {Line} line */
function keyOf(line) {
  const fixed = Object.entries(line.params).filter(([name]) => !VARIABLE_PARAMS.includes(name)).sort();
  return JSON.stringify([line.code, line.assurance, fixed]);
}

/** @param {Line} line */
function value(line) {
  return JSON.stringify(VALUE_PARAMS.map((name) => line.params[name] ?? null));
}

/** @param {Context} snapshot @param {Context} context @returns {IdentityChange[]} */
function changedIdentities(snapshot, context) {
  const nameOf = (/** @type {Identity} */ it) => JSON.stringify([it.type, it.space, it.value]);
  const before = new Map((snapshot.customer?.identities ?? []).map((it) => [nameOf(it), it]));
  const after = new Map((context.customer?.identities ?? []).map((it) => [nameOf(it), it]));
  const names = new Set([...after.keys(), ...before.keys()]);
  const changes = [...names].map((name) => ({ then: before.get(name) ?? null, now: after.get(name) ?? null }));
  return changes.filter((it) => it.then?.assurance !== it.now?.assurance);
}

/** The comparison that an agent has opened, if any. */
export class SnapshotComparison {
  /** @type {any} */ #snapshot = null;

  get isOpen() {
    return this.#snapshot !== null;
  }

  close() {
    this.#snapshot = null;
  }

  /** Open it, or close it. @param {import("../data/api.js").Api} api @param {Handoff} handoff @param {import("./history.js").CustomerHistory | null} history */
  async toggle(api, handoff, history) {
    if (!this.#snapshot) {
      this.#snapshot = await api.get(path`/v1/handoffs/${handoff.id}/snapshot`);
      return;
    }
    this.close();
    history?.only(null);
  }

  /**
   * @param {import("../dom/regions.js").Regions} regions `compare`
   * @param {Context} context
   * @param {Handoff | null} handoff
   * @param {import("./history.js").CustomerHistory} history
   * @param {Locale} locale
   */
  show(regions, context, handoff, history, locale) {
    const snapshot = this.#snapshot;
    if (!snapshot || !handoff) {
      regions.show("compare", null, () => []);
      return;
    }
    const news = newsSince(snapshot, handoff, history.loaded());
    const changes = [changedLines(snapshot, context), changedIdentities(snapshot, context)];
    regions.show("compare", [news.map((it) => it.id), handoff.snapshot, changes], () => {
      const toggle = () => {
        history.only(history.filters.only ? null : new Set(news.map((it) => it.id)));
        return history.filters.only !== null;
      };
      const jump = (/** @type {string[]} */ ids) => history.jump(ids);
      return [compareSection({ snapshot, context, handoff, news }, locale, jump, toggle)];
    });
  }
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
 * @param {Locale} locale
 * @param {(ids: string[]) => void} jump
 * @param {() => boolean} toggle switch between new touchpoints and all of them; returns true for only new ones
 */
function compareSection({ snapshot, context, handoff, news }, locale, jump, toggle) {
  const { words } = locale;
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
    h("p", { class: "quiet" }, words.text(`compare.at.${handoff.snapshot.at}`)),
    identities.length ? [h("h4", {}, words.text("who.identities")), h("ul", { class: "lines" }, identities.map((it) => identityChange(it, locale)))] : null,
    lines.length ? lineChanges(lines, locale, jump) : h("p", {}, words.text("compare.same")),
    h("p", {}, words.text("compare.news", { count: news.length })),
    h("ul", { class: "lines" }, news.slice(0, MAX_LISTED).map((it) => newsLine(it, locale, jump))),
    news.length ? only : null,
  );
}

/** @param {Change[]} changes @param {Locale} locale @param {(ids: string[]) => void} jump */
function lineChanges(changes, locale, jump) {
  const { words } = locale;
  const sections = [...new Set(changes.map((it) => it.section))];
  return sections.flatMap((section) => [
    h("h4", {}, words.text(`brief.${section}`)),
    h("ul", { class: "lines" }, changes.filter((it) => it.section === section).map((it) => lineChange(it, locale, jump))),
  ]);
}

/** @param {Change} change @param {Locale} locale @param {(ids: string[]) => void} jump */
function lineChange({ then, now }, locale, jump) {
  const { words } = locale;
  const line = briefLine(/** @type {Line} */ (now ?? then), locale, { jump });
  const text = line.querySelector(".line-text");
  if (!now) text?.append(" ", h("span", { class: "mark" }, words.text("compare.gone")));
  else if (!then) text?.append(" ", h("span", { class: "mark new" }, words.text("mark.new")));
  else text?.append(" ", h("span", { class: "quiet" }, words.nodes("compare.was", { before: before(then, locale) })));
  return line;
}

/** The line's earlier value. @param {Line} then @param {Locale} locale */
function before(then, locale) {
  const { state } = then.params;
  return state ? locale.words.name("state", state) : plain(then, locale);
}

/** @param {IdentityChange} change @param {Locale} locale */
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

/** @param {Touchpoint} it @param {Locale} locale @param {(ids: string[]) => void} jump */
function newsLine(it, { words, times }, jump) {
  return h(
    "li",
    { class: "line" },
    textLink([times.element(it.occurred_at), ` ${words.name("type", it.type)} `, userText((it.text ?? it.subject ?? "").slice(0, 120))], () => jump([it.id]), {
      class: "line-text",
      title: words.text("brief.show", { count: 1 }),
    }),
  );
}

// @ts-check
/** The timeline of all channels, newest first, grouped by day and conversation, filtered in the browser. */

import { button, h, handle, icon, userText } from "../dom/dom.js";
import { unsure } from "./brief.js";

/** @typedef {import("../data/types.js").Touchpoint} Touchpoint */
/** @typedef {import("../data/types.js").Conversation} Conversation */
/** @typedef {import("../dom/element.js").Locale} Locale */

const LONG = 700; // characters shown before “Show all”
const KINDS = Object.freeze({
  talk: ["message", "email", "call", "callback", "complaint", "survey"],
  visits: ["page", "article", "search", "form", "event", "identified"],
  notes: ["note", "promise"],
  moves: ["handoff", "context", "identity", "conversation"],
});
const MINOR = /^(page\.|event\.|identity\.|context\.|conversation\.|message\.(delivered|read)|handoff\.(offered|viewed))/;

/** @param {string} type */
export function kindOf(type) {
  const family = type.split(".")[0];
  return Object.entries(KINDS).find(([, families]) => families.includes(family))?.[0] ?? "talk";
}

/** @param {Touchpoint} it */
function iconOf(it) {
  const family = it.type.split(".")[0];
  if (["handoff", "context", "identity", "conversation"].includes(family)) return "handoff";
  return family === "note" || family === "promise" ? family : it.channel;
}

/** @typedef {{channels: Set<string>, kind: string, search: string, only: Set<string> | null}} Filters */

/** @param {Touchpoint} it @param {Filters} filters */
export function passes(it, filters) {
  if (filters.only && !filters.only.has(it.id)) return false;
  if (filters.channels.size && !filters.channels.has(it.channel)) return false;
  if (filters.kind && kindOf(it.type) !== filters.kind) return false;
  if (!filters.search) return true;
  const where = [it.subject, it.text, it.identity, it.actor?.name, it.actor?.id, JSON.stringify(it.data)];
  return where.some((text) => text && String(text).toLowerCase().includes(filters.search));
}

export class TimelineView {
  /**
   * @param {Locale} locale
   */
  constructor(locale) {
    this.locale = locale;
    this.element = h("div", { class: "entries" });
    /** @type {Map<string, {signature: string, node: HTMLElement}>} */
    this.nodes = new Map();
    /** @type {Set<string>} */
    this.opened = new Set();
    /** @type {Set<string> | undefined} ids already shown, to mark new touchpoints */
    this.seen = undefined;
  }

  /**
   * Update the list. Nodes that did not change stay, and keep their focus.
   * @param {Touchpoint[]} touchpoints newest first
   * @param {Map<string, Conversation>} conversations
   * @param {Filters} filters
   */
  show(touchpoints, conversations, filters) {
    const shown = touchpoints.filter((it) => passes(it, filters));
    /** @type {Node[]} */
    const wanted = [];
    let day = "";
    let conversation = "";
    for (const it of shown) {
      const itsDay = this.locale.times.dayKey(it.occurred_at);
      if (itsDay !== day) wanted.push(this.#kept(`day ${itsDay}`, itsDay, () => this.#day(it)));
      if (it.conversation_id !== conversation || itsDay !== day) {
        const known = conversations.get(it.conversation_id);
        const signature = JSON.stringify([known, it.channel]);
        wanted.push(this.#kept(`conversation ${it.id}`, signature, () => this.#boundary(it, known)));
      }
      day = itsDay;
      conversation = it.conversation_id;
      const fresh = this.seen !== undefined && !this.seen.has(it.id);
      wanted.push(this.#kept(it.id, JSON.stringify([it, this.opened.has(it.id), fresh]), () => this.#entry(it, fresh)));
    }
    this.#arrange(wanted);
    this.seen ??= new Set();
    for (const it of touchpoints) this.seen.add(it.id);
    return shown.length;
  }

  /** @param {Node[]} wanted */
  #arrange(wanted) {
    const keep = new Set(wanted);
    for (const it of [...this.element.childNodes]) if (!keep.has(it)) it.remove();
    let place = this.element.firstChild;
    for (const it of wanted) {
      if (it === place) place = place.nextSibling;
      else this.element.insertBefore(it, place);
    }
    for (const [key, it] of this.nodes) if (!keep.has(it.node)) this.nodes.delete(key);
  }

  /** @param {string} key @param {string} signature @param {() => HTMLElement} build */
  #kept(key, signature, build) {
    const known = this.nodes.get(key);
    if (known?.signature === signature) return known.node;
    const node = build();
    this.nodes.set(key, { signature, node });
    return node;
  }

  /** Scroll to an entry and highlight it briefly. @param {string} id */
  go(id) {
    const node = this.nodes.get(id)?.node;
    if (!node) return false;
    node.scrollIntoView({ block: "center", behavior: calm() ? "auto" : "smooth" });
    node.focus({ preventScroll: true });
    node.classList.add("found");
    setTimeout(() => node.classList.remove("found"), 2500);
    return true;
  }

  /** @param {Touchpoint} it */
  #day(it) {
    return h("h4", { class: "day" }, this.locale.times.day(it.occurred_at));
  }

  /** @param {Touchpoint} it @param {Conversation | undefined} known */
  #boundary(it, known) {
    const { words } = this.locale;
    const channels = known?.channels.length ? known.channels : [it.channel];
    return h(
      "div",
      { class: "boundary" },
      h("span", { class: "boundary-name" }, channels.map((name) => words.name("channel", name)).join(" · ")),
      known?.subject ? [" – ", userText(known.subject)] : null,
      known ? h("span", { class: "quiet" }, ` ${words.name("conversation", known.state)}`) : null,
      known?.owner ? h("span", { class: "quiet" }, ` · `, userText(known.owner)) : null,
    );
  }

  /** @param {Touchpoint} it @param {boolean} fresh */
  #entry(it, fresh) {
    const { words, times } = this.locale;
    const minor = MINOR.test(it.type) && !it.text;
    const marks = this.#marks(it, fresh);
    return h(
      "article",
      {
        class: `entry ${it.direction}${minor ? " minor" : ""}${it.visibility === "internal" ? " private" : ""}`,
        tabindex: "-1",
        "data-id": it.id,
        "data-channel": it.channel,
      },
      h("div", { class: "entry-icon" }, icon(iconOf(it))),
      h(
        "div",
        { class: "entry-body" },
        h(
          "p",
          { class: "entry-head" },
          h("span", { class: "who" }, this.#who(it)),
          h("span", { class: "what" }, words.name("type", it.type)),
          h("span", { class: "hidden" }, words.name("channel", it.channel)),
          marks,
          times.element(it.occurred_at, "clock"),
        ),
        this.#content(it),
      ),
    );
  }

  /** @param {Touchpoint} it */
  #who(it) {
    const { words } = this.locale;
    const actor = it.actor;
    const type = actor ? (actor.type ?? actor.kind ?? actor.role) : null;
    if (actor?.name) return userText(actor.name);
    if (it.direction === "inbound") return words.text("who.customer");
    if (actor?.id && typeof actor.id === "string" && type !== "system") return userText(actor.id);
    if (type && words.has(`who.${type}`)) return words.text(`who.${type}`);
    return words.text(it.direction === "internal" ? "who.internal" : "who.us");
  }

  /** @param {Touchpoint} it @param {boolean} fresh */
  #marks(it, fresh) {
    const { words, times } = this.locale;
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
    ];
  }

  /** @param {Touchpoint} it */
  #content(it) {
    const { words } = this.locale;
    const title = summary(it);
    return [
      it.subject ? h("p", { class: "subject" }, userText(it.subject)) : null,
      title ? h("p", { class: "detail" }, userText(title)) : null,
      it.data.due ? h("p", { class: "detail" }, words.nodes("due", { at: this.locale.times.element(String(it.data.due), "both") })) : null,
      it.text ? this.#text(it.id, it.text) : null,
      it.attachments.length ? h("ul", { class: "attachments" }, it.attachments.map((file) => h("li", {}, "📎 ", userText(file.name ?? file.filename ?? file.type ?? "")))) : null,
      this.#details(it),
    ];
  }

  /** @param {string} id @param {string} text */
  #text(id, text) {
    const { words } = this.locale;
    const long = text.length > LONG && !this.opened.has(id);
    const shown = h("p", { class: "text", dir: "auto" }, long ? `${text.slice(0, LONG)}…` : text);
    if (!long) return shown;
    const more = button(words.text("text.more", { count: text.length }), () => {
      this.opened.add(id);
      shown.textContent = text;
      more.remove();
    }, { class: "more" });
    return [shown, more];
  }

  /** The remaining fields, as the source sent them. @param {Touchpoint} it */
  #details(it) {
    const { words, times } = this.locale;
    const rows = [
      [words.text("detail.identity"), handle(it.identity)],
      [words.text("detail.source"), userText(it.source)],
      [words.text("detail.occurred"), times.element(it.occurred_at, "both")],
      [words.text("detail.recorded"), times.element(it.recorded_at, "both")],
      ...Object.entries(it.data).map(([name, value]) => [userText(name), userText(typeof value === "object" ? JSON.stringify(value) : value)]),
    ];
    const list = h("dl", {});
    return h(
      "details",
      { ontoggle: () => list.childElementCount || list.append(...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])) },
      h("summary", { "aria-label": words.text("detail.of", { what: words.name("type", it.type), at: times.clock(it.occurred_at) }) }, "⋯"),
      list,
    );
  }
}

/** A one-line summary from the touchpoint's data. @param {Touchpoint} it */
function summary(it) {
  const { data } = it;
  const found = [data.title, data.query, data.form, data.error, data.name, data.reason, data.url, data.status];
  const text = found.filter((value) => typeof value === "string" && value !== it.text && value !== it.subject);
  return [...new Set(text)].slice(0, 2).join(" – ").slice(0, 300);
}

export function calm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

// @ts-check
/** The timeline of all channels as one scroll: newest first, in conversations, filtered in the page. */

import { button, h, handle, icon, said } from "./dom.js";
import { unsure } from "./brief.js";

/** @typedef {import("./types.js").Touchpoint} Touchpoint */
/** @typedef {import("./types.js").Conversation} Conversation */
/** @typedef {import("./brief.js").Voice} Voice */

const LONG = 700; // characters shown before the rest is asked for
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
   * @param {Voice} voice
   */
  constructor(voice) {
    this.voice = voice;
    this.element = h("div", { class: "entries" });
    /** @type {Map<string, {signature: string, node: HTMLElement}>} */
    this.nodes = new Map();
    /** @type {Set<string>} */
    this.opened = new Set();
    /** @type {Set<string> | undefined} what was there before, so that what comes can be marked */
    this.seen = undefined;
  }

  /**
   * Bring the list to this state; nodes of what did not change stay, with their focus.
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
      const itsDay = this.voice.times.dayKey(it.occurred_at);
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

  /** Move to an entry and mark it for a moment. @param {string} id */
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
    return h("h4", { class: "day" }, this.voice.times.day(it.occurred_at));
  }

  /** @param {Touchpoint} it @param {Conversation | undefined} known */
  #boundary(it, known) {
    const { words } = this.voice;
    const channels = known?.channels.length ? known.channels : [it.channel];
    return h(
      "div",
      { class: "boundary" },
      h("span", { class: "boundary-name" }, channels.map((name) => words.name("channel", name)).join(" · ")),
      known?.subject ? [" – ", said(known.subject)] : null,
      known ? h("span", { class: "quiet" }, ` ${words.name("conversation", known.state)}`) : null,
      known?.owner ? h("span", { class: "quiet" }, ` · `, said(known.owner)) : null,
    );
  }

  /** @param {Touchpoint} it @param {boolean} fresh */
  #entry(it, fresh) {
    const { words, times } = this.voice;
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
    const { words } = this.voice;
    const actor = it.actor;
    const type = actor ? (actor.type ?? actor.kind ?? actor.role) : null;
    if (actor?.name) return said(actor.name);
    if (it.direction === "inbound") return words.text("who.customer");
    if (actor?.id && typeof actor.id === "string" && type !== "system") return said(actor.id);
    if (type && words.has(`who.${type}`)) return words.text(`who.${type}`);
    return words.text(it.direction === "internal" ? "who.internal" : "who.us");
  }

  /** @param {Touchpoint} it @param {boolean} fresh */
  #marks(it, fresh) {
    const { words, times } = this.voice;
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
    const { words } = this.voice;
    const title = summary(it);
    return [
      it.subject ? h("p", { class: "subject" }, said(it.subject)) : null,
      title ? h("p", { class: "detail" }, said(title)) : null,
      it.data.due ? h("p", { class: "detail" }, words.nodes("due", { at: this.voice.times.element(String(it.data.due), "both") })) : null,
      it.text ? this.#text(it.id, it.text) : null,
      it.attachments.length ? h("ul", { class: "attachments" }, it.attachments.map((file) => h("li", {}, "📎 ", said(file.name ?? file.filename ?? file.type ?? "")))) : null,
      this.#details(it),
    ];
  }

  /** @param {string} id @param {string} text */
  #text(id, text) {
    const { words } = this.voice;
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

  /** Everything else that its sender said of it. @param {Touchpoint} it */
  #details(it) {
    const { words, times } = this.voice;
    const rows = [
      [words.text("detail.identity"), handle(it.identity)],
      [words.text("detail.source"), said(it.source)],
      [words.text("detail.occurred"), times.element(it.occurred_at, "both")],
      [words.text("detail.recorded"), times.element(it.recorded_at, "both")],
      ...Object.entries(it.data).map(([name, value]) => [said(name), said(typeof value === "object" ? JSON.stringify(value) : value)]),
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

/** One line of what a touchpoint without text is about. @param {Touchpoint} it */
function summary(it) {
  const { data } = it;
  const found = [data.title, data.query, data.form, data.error, data.name, data.reason, data.url, data.status];
  const text = found.filter((value) => typeof value === "string" && value !== it.text && value !== it.subject);
  return [...new Set(text)].slice(0, 2).join(" – ").slice(0, 300);
}

export function calm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

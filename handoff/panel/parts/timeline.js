// @ts-check
/** The timeline of all channels, newest first, grouped by day and conversation, filtered in the browser. */

import { badge, h, leaves, userText } from "../dom/dom.js";
import { entryNode, isStep } from "./entry.js";
import { ActorNames } from "./names.js";

/** @typedef {import("../data/types.js").Touchpoint} Touchpoint */
/** @typedef {import("../data/types.js").Conversation} Conversation */
/** @typedef {import("../data/types.js").Customer} Customer */
/** @typedef {import("../dom/element.js").Locale} Locale */

const KINDS = Object.freeze({
  talk: ["message", "email", "call", "callback", "complaint", "survey"],
  visits: ["page", "article", "search", "form", "event", "identified"],
  notes: ["note", "promise", "announcement"],
  moves: ["handoff", "context", "identity", "conversation"],
});

/** @param {string} type */
export function kindOf(type) {
  const family = type.split(".")[0];
  return Object.entries(KINDS).find(([, families]) => families.includes(family))?.[0] ?? "talk";
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

/** @param {Filters} filters */
function isFiltered({ channels, kind, search, only }) {
  return Boolean(channels.size || kind || search || only);
}

/**
 * Days, newest first, each with its conversations in the order of their newest touchpoint.
 * @param {Touchpoint[]} touchpoints newest first
 * @param {(at: string) => string} dayOf
 */
function grouped(touchpoints, dayOf) {
  /** @type {Map<string, Map<string, Touchpoint[]>>} */
  const days = new Map();
  for (const it of touchpoints) {
    const day = dayOf(it.occurred_at);
    const talks = days.get(day) ?? new Map();
    const talk = talks.get(it.conversation_id) ?? [];
    talk.push(it);
    days.set(day, talks.set(it.conversation_id, talk));
  }
  return days;
}

/**
 * Runs of steps, such as a call that rings and ends, beside single touchpoints.
 * @param {Touchpoint[]} touchpoints
 * @returns {Touchpoint[][]}
 */
function folded(touchpoints) {
  /** @type {Touchpoint[][]} */
  const runs = [];
  for (const it of touchpoints) {
    const last = runs.at(-1);
    if (last && isStep(it) && isStep(last[0]) && last[0].channel === it.channel) last.push(it);
    else runs.push([it]);
  }
  return runs;
}

/** @typedef {{node: HTMLElement, head: HTMLElement, body: HTMLElement, signature: string, chosen: boolean | null, folds: boolean}} Box */
/** @typedef {{touchpoint: Touchpoint, signature: string, node: HTMLElement}} Known */

export class TimelineView {
  /** @type {Map<string, Known>} */ #entries = new Map();
  /** @type {Map<string, Box>} days, conversations and runs of steps */ #boxes = new Map();
  /** @type {Map<string, string>} the run of steps that a touchpoint was shown in */ #runs = new Map();
  /** @type {Set<string>} */ #opened = new Set();
  /** @type {Map<string, string>} derived texts, and the originals that they are shown with */ #under = new Map();
  /** @type {Set<string>} */ #used = new Set();
  /** @type {HTMLElement | null} */ #found = null;
  /** @type {HTMLElement | null} rebuilt while it had the focus */ #refocus = null;
  /** @type {Set<string>} */ #fresh = new Set();
  /** @type {((id: string) => void) | null} shows a copy by itself; null if the agent may not */ separate = null;
  /** @type {Set<string> | undefined} ids already shown, to mark new touchpoints */ seen = undefined;
  /** @type {import("./reveal.js").Reveal | null} */ reveal = null;

  /** @param {Locale} locale */
  constructor(locale) {
    this.locale = locale;
    this.element = h("div", { class: "entries" });
  }

  /**
   * Update the list. Nodes that did not change stay, and keep their focus.
   * @param {Touchpoint[]} touchpoints newest first
   * @param {Map<string, Conversation>} conversations
   * @param {Filters} filters
   * @param {Customer | null | undefined} customer
   */
  show(touchpoints, conversations, filters, customer) {
    const shown = this.#withoutDerived(touchpoints.filter((it) => passes(it, filters)));
    const names = new ActorNames(this.locale.words, customer, touchpoints);
    const unfolded = isFiltered(filters);
    this.#used = new Set();
    let newest = true;
    const days = [...grouped(shown, (at) => this.locale.times.dayKey(at))].map(([key, talks]) => {
      const day = this.#day(key, [...talks.values()][0][0]);
      const inside = [...talks].map(([id, items]) => {
        const talk = this.#talk(`${key} ${id}`, items, conversations.get(id), newest);
        newest = false;
        this.#fold(talk, unfolded);
        arrange(talk.body, folded(items).map((run) => this.#run(run, names, unfolded)));
        return talk.node;
      });
      arrange(day.body, inside);
      return day.node;
    });
    arrange(this.element, days);
    this.#refocus?.focus({ preventScroll: true });
    this.#refocus = null;
    this.#forget(shown);
    this.seen ??= new Set();
    for (const it of touchpoints) this.seen.add(it.id);
    return shown.length;
  }

  /** A derived text is shown with its original, where that is shown. @param {Touchpoint[]} touchpoints */
  #withoutDerived(touchpoints) {
    this.#under = new Map(touchpoints.flatMap((it) => (it.derived ?? []).map((one) => [one.id, it.id])));
    return this.#under.size ? touchpoints.filter((it) => !this.#under.has(it.id)) : touchpoints;
  }

  /** Another customer, or other identities: nothing is new. */
  reset() {
    this.seen = undefined;
    this.#fresh.clear();
  }

  /** Drop the nodes that are no longer shown. @param {Touchpoint[]} shown */
  #forget(shown) {
    const ids = new Set(shown.map((it) => it.id));
    for (const id of this.#entries.keys()) if (!ids.has(id)) this.#entries.delete(id);
    for (const id of this.#runs.keys()) if (!ids.has(id)) this.#runs.delete(id);
    for (const key of this.#boxes.keys()) if (!this.#used.has(key)) this.#boxes.delete(key);
  }

  /**
   * Scroll to an entry, focus it, and mark it until another one is found.
   * @param {string} id
   */
  go(id) {
    const node = this.#entries.get(this.#under.get(id) ?? id)?.node;
    if (!node?.isConnected) return false;
    for (let it = node.parentElement; it && it !== this.element; it = it.parentElement) if (it instanceof HTMLDetailsElement) it.open = true;
    this.#found?.removeAttribute("aria-current");
    this.#found = node;
    node.setAttribute("aria-current", "true");
    node.scrollIntoView({ block: "center", behavior: calm() ? "auto" : "smooth" });
    node.focus({ preventScroll: true });
    return true;
  }

  /** The newest entry of a day, or of the closest day before it. @param {string} day `2026-11-21` */
  entryOn(day) {
    const found = [...this.#entries.values()].filter((it) => this.locale.times.dayKey(it.touchpoint.occurred_at) <= day);
    found.sort((one, other) => (one.touchpoint.occurred_at < other.touchpoint.occurred_at ? 1 : -1));
    return found[0]?.touchpoint.id ?? null;
  }

  /** @param {string} key @param {() => Omit<Box, "signature" | "chosen">} build @returns {Box} */
  #box(key, build) {
    this.#used.add(key);
    const box = this.#boxes.get(key) ?? { ...build(), signature: "", chosen: null };
    this.#boxes.set(key, box);
    return box;
  }

  /** @param {string} key @param {Touchpoint} it one of the day */
  #day(key, it) {
    return this.#box(`day ${key}`, () => {
      const head = h("h4", {}, this.locale.times.day(it.occurred_at));
      const body = h("div", {});
      return { node: h("section", { class: "day", part: "day", "data-day": key }, head, body), head, body, folds: false };
    });
  }

  /**
   * A conversation on one day. Settled ones are folded at first, except the newest.
   * @param {string} key @param {Touchpoint[]} items @param {Conversation | undefined} known @param {boolean} newest
   */
  #talk(key, items, known, newest) {
    const box = this.#box(`talk ${key}`, () => this.#details("talk", "conversation", known?.state === "resolved" && !newest));
    this.#head(box, [known, items.length, items[0].channel], () => this.#title(items, known));
    return box;
  }

  /** @param {string} name @param {string} part @param {boolean} folds whether it is folded unless the agent opens it @returns {Omit<Box, "signature" | "chosen">} */
  #details(name, part, folds) {
    const head = h("summary", {});
    const body = h("div", {});
    return { node: h("details", { class: name, part }, head, body), head, body, folds };
  }

  /** @param {Box} box @param {unknown} state @param {() => import("../dom/dom.js").Child[]} build */
  #head(box, state, build) {
    const signature = JSON.stringify(state);
    if (box.signature === signature) return;
    box.signature = signature;
    box.head.replaceChildren(...leaves(build()));
  }

  /** Open or close it, as the agent chose or as it begins. @param {Box} box @param {boolean} unfolded */
  #fold(box, unfolded) {
    const details = /** @type {HTMLDetailsElement} */ (box.node);
    const wanted = unfolded || (box.chosen ?? !box.folds);
    if (details.open !== wanted && !(details.open && box.node.contains(this.#found))) details.open = wanted;
    if (details.dataset.listens) return;
    details.dataset.listens = "";
    box.head.addEventListener("click", () => { box.chosen = !details.open; });
  }

  /** @param {Touchpoint[]} items @param {Conversation | undefined} known */
  #title(items, known) {
    const { words } = this.locale;
    const channels = known?.channels.length ? known.channels : [items[0].channel];
    return [
      badge(channels[0]),
      h("h5", {}, channels.map((name) => words.name("channel", name)).join(" · "), known?.subject ? [" – ", userText(known.subject)] : null),
      known ? h("span", { class: "quiet" }, words.name("conversation", known.state)) : null,
      known?.owner ? h("span", { class: "quiet" }, "· ", userText(known.owner)) : null,
      h("span", { class: "quiet" }, "· ", words.text("timeline.count", { count: items.length })),
    ];
  }

  /** One touchpoint, or the steps of a call folded. @param {Touchpoint[]} run newest first @param {ActorNames} names @param {boolean} unfolded */
  #run(run, names, unfolded) {
    const nodes = run.map((it) => this.#entry(it, names));
    if (run.length < 2) return nodes[0];
    const { words, times } = this.locale;
    const key = run.map((it) => this.#runs.get(it.id)).find((it) => it && !this.#used.has(it)) ?? `run ${run[0].id}`;
    for (const it of run) this.#runs.set(it.id, key);
    const box = this.#box(key, () => this.#details("steps", "steps", true));
    this.#head(box, [run.length, run[0].type, run[0].occurred_at], () => [
      h("span", {}, words.name("type", run[0].type)),
      h("span", { class: "quiet" }, words.text("timeline.steps", { count: run.length })),
      times.element(run[0].occurred_at, "clock"),
    ]);
    this.#fold(box, unfolded);
    arrange(box.body, nodes);
    return box.node;
  }

  /** @param {Touchpoint} it @param {ActorNames} names */
  #entry(it, names) {
    const known = this.#entries.get(it.id);
    const who = names.of(it);
    if (this.seen && !this.seen.has(it.id)) this.#fresh.add(it.id);
    const fresh = this.#fresh.has(it.id);
    const signature = JSON.stringify([who, this.#opened.has(it.id), fresh, Boolean(this.reveal), Boolean(this.separate)]);
    if (known?.signature === signature && (known.touchpoint === it || JSON.stringify(known.touchpoint) === JSON.stringify(it))) {
      known.touchpoint = it;
      return known.node;
    }
    const separate = this.separate && ((/** @type {string} */ id) => this.separate?.(id));
    const node = entryNode(it, this.locale, { who, fresh, opened: this.#opened, reveal: this.reveal, separate });
    if (known && this.#found === known.node) {
      node.setAttribute("aria-current", "true");
      this.#found = node;
    }
    if (known?.node.contains(/** @type {ShadowRoot} */ (this.element.getRootNode()).activeElement)) this.#refocus = node;
    this.#entries.set(it.id, { touchpoint: it, signature, node });
    return node;
  }
}

/** Give a parent these children, and move none that is in its place: it would lose the focus.
 * @param {HTMLElement} parent @param {Node[]} wanted */
function arrange(parent, wanted) {
  const keep = new Set(wanted);
  for (const it of [...parent.childNodes]) if (!keep.has(it)) it.remove();
  let place = parent.firstChild;
  for (const it of wanted) {
    if (it === place) place = place.nextSibling;
    else parent.insertBefore(it, place);
  }
}

export function calm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

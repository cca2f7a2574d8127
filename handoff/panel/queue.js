// @ts-check
/**
 * `<handoff-queue>`: the handoffs that wait, live and usable by keyboard alone.
 *
 *     <handoff-queue server="https://handoff.example.com" queue="refunds claims"></handoff-queue>
 *     element.token = "hs_…";
 *
 * Attributes: `queue` (names, separated by spaces; without one, all pending handoffs; the agent's own are always shown),
 * `selected` (a handoff's id), `server`, `language`, `zone`.
 * Events: `handoff-open` (detail: the handoff), `handoff-waiting` (detail: how many),
 * `handoff-token-needed`.
 */

import { openNext } from "./data/ahead.js";
import { Refused } from "./data/api.js";
import { agentOf, conflictMessage, isExpired, isUnreachable, may, move, movesOf } from "./data/handoffs.js";
import { follow } from "./data/live/live.js";
import { prepare } from "./data/reading.js";
import { LISTED, WaitingHandoffs } from "./data/waiting.js";
import { button, h } from "./dom/dom.js";
import { PanelElement } from "./dom/element.js";
import { Sound } from "./dom/sound.js";
import { handoffCard, keepTimes } from "./parts/card.js";
import { showKeys } from "./parts/forms/keys.js";
import { showConnection } from "./parts/layout.js";
import { ActiveRow } from "./parts/queue/active.js";
import { Callers } from "./parts/queue/callers.js";
import { arrange, holdingStill, rowFor } from "./parts/queue/rows.js";
import { byUrgency, keepingRows, longestWaits } from "./parts/queue/urgency.js";

/** @typedef {import("./data/api.js").Api} Api */
/** @typedef {import("./data/api.js").Session} Session */
/** @typedef {import("./data/handoffs.js").MoveDetails} MoveDetails */
/** @typedef {import("./data/live/live.js").State | "expired"} State */
/** @typedef {import("./data/types.js").Handoff} Handoff */
/** @typedef {import("./data/waiting.js").Query} Query */
/** @typedef {{section: HTMLElement, count: HTMLElement, list: HTMLElement, empty: HTMLElement}} Group */

const RETRY_MS = 3000;
const SETTLE_MS = 40; // names arrive one after the other: show them together
const TICK_MS = 1000;
const TICKS_TO_SORT = 15; // a deadline comes nearer without an event
const HASTY_MS = 600; // a key pressed so soon after the focus moved by itself was meant for another row
const ANSWERS = new Set(["live", "polling"]); // states in which the server answers
const GROUPS = Object.freeze(/** @type {const} */ (["mine", "offered", "waiting"]));
const KEYS = Object.freeze({ a: "accept", d: "decline", c: "complete", r: "release", t: "transfer" });
/** @type {readonly State[]} the worst first */
const CONNECTIONS = Object.freeze(["expired", "refused", "lost", "polling", "connecting", "live"]);

export class HandoffQueue extends PanelElement {
  static observedAttributes = ["queue", "server", "language", "zone", "selected"];

  /** @type {Session | null} */ #session = null;
  #handoffs = new WaitingHandoffs();
  /** @type {Callers | null} */ #callers = null;
  /** @type {(() => void)[]} */ #following = [];
  /** @type {Map<string, State>} */ #states = new Map();
  /** @type {Map<string, {signature: string, node: HTMLElement}>} */ #cards = new Map();
  /** @type {Map<string, Group>} */ #groups = new Map();
  /** @type {string[]} ids of the rows as they are shown */ #order = [];
  /** @type {HTMLElement} */ #lists = h("div", {});
  /** @type {ActiveRow} */ #rows = new ActiveRow(this.root, this.#lists);
  /** @type {HTMLElement} */ #status = h("p", {});
  /** @type {HTMLElement} */ #connection = h("p", {});
  /** @type {HTMLElement} */ #sort = h("p", {});
  /** @type {HTMLElement} */ #more = h("p", {});
  /** @type {Set<string>} handoffs whose move is on its way */ #moving = new Set();
  /** @type {boolean} the status goes away once the server answers again */ #passing = false;
  /** @type {Set<Query>} lists that are being read again */ #filling = new Set();
  /** @type {number | undefined} */ #ticking;
  /** @type {number | undefined} */ #settling;
  #shifted = -Infinity;
  #sound = new Sound();

  constructor() {
    super();
    this.root.addEventListener("close", () => this.#rows.comeBack(), true); // of a dialog
  }

  get sheets() {
    return ["queue"];
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#sound.close();
  }

  /** @type {(name: string, before: string | null, after: string | null) => void} */
  attributeChangedCallback(name, before, after) {
    if ((before ?? "") === (after ?? "")) return; // starting again would lose the focus
    if (name !== "selected") return this.restart();
    this.#show();
    if (!this.#rows.focused()) this.#rows.mark(after);
  }

  stop() {
    super.stop();
    window.clearInterval(this.#ticking);
    window.clearTimeout(this.#settling);
    this.#settling = undefined;
    this.#callers?.stop();
    this.#callers = null;
    for (const leave of this.#following) leave();
    this.#following = [];
  }

  get #queues() {
    return (this.getAttribute("queue") ?? "").split(/[\s,]+/).filter(Boolean);
  }

  get #me() {
    return this.#session ? agentOf(this.#session) : "";
  }

  /** @param {number} run */
  async start(run) {
    this.#handoffs.clear();
    this.#cards.clear();
    this.#states.clear();
    this.#build();
    if (!this.api) {
      this.#status.textContent = this.text("state.no_token");
      return;
    }
    try {
      this.#session = await this.api.session();
    } catch (error) {
      if (this.ended(run)) return;
      this.#failed(error);
      if (!(error instanceof Refused)) setTimeout(() => this.ended(run) || this.restart(), RETRY_MS);
      return;
    }
    if (!this.ended(run)) this.#follow(run);
  }

  /** @param {unknown} error */
  #failed(error) {
    this.#report(this.reasonOf(error), isUnreachable(error));
  }

  /** @param {string} text @param {boolean} [passing] it goes away once the server answers again */
  #report(text, passing = false) {
    this.#status.textContent = text;
    this.#passing = passing;
  }

  /** @param {number} run */
  #follow(run) {
    const api = /** @type {Api} */ (this.api);
    const me = this.#me;
    if (this.#session && may(this.#session, "context:read")) this.#callers = new Callers(api, () => this.#showSoon());
    /** @type {{topic: string, query: Query}[]} */
    const sources = this.#queues.map((name) => ({ topic: `queue:${name}`, query: { queue: name } }));
    if (!sources.length) sources.push({ topic: "pending", query: {} });
    sources.push({ topic: `agent:${me}`, query: { agent: me } });
    this.#following = sources.map(({ topic, query }) =>
      follow(api, topic, null, {
        event: (type, data) => this.ended(run) || this.#event(type, data, query),
        state: (state, error) => this.ended(run) || this.#connected(topic, state, error),
        poll: () => this.#poll(query),
      }),
    );
    let ticks = 0;
    this.#ticking = window.setInterval(() => {
      keepTimes(this.#lists, this.locale);
      if ((ticks += 1) % TICKS_TO_SORT === 0) this.#show();
    }, TICK_MS);
  }

  /** @param {string} type @param {any} data @param {Query} query */
  #event(type, data, query) {
    const listed = type === "started" || type === "reset";
    const heard = listed ? this.#handoffs.takeList(data, query) : type.startsWith("handoff.") && data.id && this.#handoffs.take(data);
    if (heard) this.#sound.play();
    this.#show();
    this.#fillUp();
  }

  /** Read a list again of which few handoffs are left here, and more on the server. */
  #fillUp() {
    for (const query of this.#handoffs.short) {
      if (this.#filling.has(query)) continue;
      this.#filling.add(query);
      this.#poll(query).catch(() => null).finally(() => this.#filling.delete(query)); // the next event tries again
    }
  }

  /** @param {Query} query */
  async #poll(query) {
    const api = /** @type {Api} */ (this.api);
    const run = this.run;
    const pages = await Promise.all(["requested", "offered", "accepted"].map((state) => api.get("/v1/handoffs", { state, ...query, limit: LISTED })));
    if (this.ended(run)) return;
    const given = { handoffs: pages.flatMap((it) => it.handoffs), more: pages.some((it) => it.next) };
    if (this.#handoffs.takeList(given, query)) this.#sound.play();
    this.#show();
  }

  /** @param {string} topic @param {State} state @param {Error} [error] */
  #connected(topic, state, error) {
    this.#states.set(topic, isExpired(error) ? "expired" : state);
    const worst = CONNECTIONS.find((it) => [...this.#states.values()].includes(it)) ?? "connecting";
    const before = this.#connection.dataset.state;
    showConnection(this.#connection, worst, this.locale.words);
    if (ANSWERS.has(worst) && !ANSWERS.has(String(before)) && this.#passing) this.#report("");
    if (error) this.#failed(error);
  }

  // --- Showing -------------------------------------------------------------------------------------

  #build() {
    const { words } = this.locale;
    this.#status = h("p", { class: "status", role: "status" });
    this.#connection = h("p", { class: "connection", role: "status" });
    this.#lists = h("div", { class: "lists", tabindex: "-1" });
    this.#rows = new ActiveRow(this.root, this.#lists);
    this.#groups = new Map(GROUPS.map((name) => [name, groupOf(name, words)]));
    this.#order = [];
    this.#sort = h("p", { class: "sort", hidden: true }, button(words.text("queue.sort"), () => this.#show({ sort: true }), { class: "plain" }));
    this.#more = h("p", { class: "quiet more-waiting" }, words.text("queue.more"));
    const map = button(words.text("keys.title"), () => showKeys(this.root, words), { class: "plain" });
    this.root.replaceChildren(
      h("section", { class: "queue", lang: words.language, "aria-label": words.text("queue.title") },
        h("div", { class: "timeline-head" }, h("h2", {}, words.text("queue.title")), this.#connection),
        this.#status,
        this.#sort,
        this.#lists,
        h("p", { class: "foot" }, this.#sound.control(words), map),
      ),
    );
    this.#show();
  }

  #showSoon() {
    this.#settling ??= window.setTimeout(() => {
      this.#settling = undefined;
      this.#show();
    }, SETTLE_MS);
  }

  /** @param {{sort?: boolean, own?: boolean}} [how] `sort` even under the pointer; `own`: after the agent's own move */
  #show({ sort = false, own = false } = {}) {
    if (!this.ready || !this.#session) return;
    const groups = this.#handoffs.groups(this.#me, this.#queues);
    const waitingOf = (/** @type {Handoff} */ it) => this.#callers?.of(it)?.waiting;
    const held = sort || own ? undefined : this.#rows.held;
    const now = Date.now();
    const urgent = GROUPS.map((name) => byUrgency(groups[name], waitingOf, now));
    const shown = held ? urgent.map((it) => keepingRows(it, this.#order, held.dataset.id)) : urgent;
    const longest = longestWaits(urgent[2], waitingOf, now);
    const focused = this.#rows.focused();
    this.#order = shown.flat().map((it) => it.id);
    this.#sort.hidden = shown.every((list, at) => list.every((it, place) => it === urgent[at][place]));
    holdingStill(held, () => {
      this.#arrange(shown, longest);
      this.#rows.mark();
      keepTimes(this.#lists, this.locale);
      return this.#rows.row(held?.dataset.id);
    });
    if (focused && !own && !this.#rows.row(focused.id)) this.#left(focused.id);
    this.#rows.restore(focused);
    this.#callers?.want(shown.flat(), this.#rows.rows);
    this.announce("handoff-waiting", groups.offered.length + groups.waiting.length);
  }

  /** @param {Handoff[][]} shown @param {Set<string>} longest */
  #arrange(shown, longest) {
    const there = new Set(this.#order);
    for (const id of this.#cards.keys()) if (!there.has(id)) this.#cards.delete(id);
    const sections = GROUPS.map((name, at) => {
      const { section, count, list, empty } = /** @type {Group} */ (this.#groups.get(name));
      count.textContent = String(shown[at].length);
      arrange(list, shown[at].map((it) => this.#card(it, longest.has(it.id))));
      list.hidden = !shown[at].length;
      empty.hidden = !list.hidden;
      return shown[at].length || name === "waiting" ? section : null;
    });
    arrange(this.#lists, /** @type {HTMLElement[]} */ ([...sections, this.#handoffs.cut ? this.#more : null].filter(Boolean)));
  }

  /** Another agent, a deadline, or the customer ended what had the focus. @param {string} id */
  #left(id) {
    this.#shifted = performance.now();
    const now = this.#handoffs.get(id);
    if (now && !this.#moving.has(id)) this.#report(conflictMessage(now, this.locale.words));
  }

  /** @param {Handoff} it @param {boolean} longest */
  #card(it, longest) {
    const caller = this.#callers?.of(it);
    const selected = this.getAttribute("selected") === it.id;
    const state = { name: this.#callers ? caller?.name : null, waiting: caller?.waiting ?? null, longest, selected };
    const signature = JSON.stringify([it.id, it.version, state]);
    const known = this.#cards.get(it.id);
    if (known?.signature === signature) return known.node;
    const node = handoffCard(it, /** @type {Session} */ (this.#session), this.locale, state, {
      open: () => this.#open(it),
      move: (action, details) => this.#move(it, action, details),
    });
    node.addEventListener("keydown", (event) => this.#key(event, it, node));
    this.#cards.set(it.id, { signature, node });
    return node;
  }

  // --- The agent's actions -------------------------------------------------------------------------

  /** @param {Handoff} it */
  #open(it) {
    if (this.api) openNext(this.api, it);
    this.setAttribute("selected", it.id);
    this.announce("handoff-open", it);
  }

  /** Single keys work only while a card has the focus (WCAG 2.1.4). @param {KeyboardEvent} event @param {Handoff} it @param {HTMLElement} card */
  #key(event, it, card) {
    if (event.target !== card || event.ctrlKey || event.metaKey || event.altKey) return;
    const row = rowFor(this.#rows.rows, card, event.key);
    if (row) row.focus();
    else if (event.key === "?") showKeys(this.root, this.locale.words);
    else if (event.key === "s") this.#show({ sort: true });
    else if (event.key !== "Enter" && !(event.key in KEYS)) return;
    else if (performance.now() - this.#shifted < HASTY_MS) this.#report(this.text("queue.shifted"));
    else if (event.key === "Enter") this.#open(it);
    else this.#press(/** @type {any} */ (KEYS)[event.key], it, card);
    event.preventDefault();
  }

  /** @param {string} action @param {Handoff} it @param {HTMLElement} card */
  #press(action, it, card) {
    const possible = movesOf(it, /** @type {Session} */ (this.#session)).some((one) => one === action);
    if (possible) /** @type {HTMLElement | null} */ (card.querySelector(`[data-move=${action}]`))?.click();
  }

  /** @param {Handoff} it @param {string} action @param {MoveDetails | null} details */
  async #move(it, action, details) {
    if (this.#moving.has(it.id)) return;
    this.#moving.add(it.id);
    const api = /** @type {Api} */ (this.api);
    this.#report(this.text("move.working"));
    if (action === "accept" && this.#session && may(this.#session, "context:read")) prepare(api, it.id);
    const outcome = await move(api, it, action, details, this.locale.words);
    this.#moving.delete(it.id);
    if (outcome.error) this.reasonOf(outcome.error); // announces an expired session
    this.#report(outcome.message, Boolean(outcome.error) && isUnreachable(outcome.error));
    for (const changed of [outcome.handoff, outcome.requested]) if (changed) this.#handoffs.take(changed);
    this.#show({ own: true });
    if (outcome.handoff && outcome.done && action === "accept") this.#open(outcome.handoff);
  }
}

/** @param {string} name @param {import("./text/words.js").Words} words @returns {Group} */
function groupOf(name, words) {
  const count = h("span", { class: "count" });
  const list = h("ul", { class: "cards" });
  const empty = h("p", { class: "quiet" }, words.text("queue.empty"));
  const id = `group-${name}`;
  const section = h("section", { class: `group ${name}`, "aria-labelledby": id }, h("h3", { id }, words.text(`queue.${name}`), count), list, empty);
  return { section, count, list, empty };
}

customElements.define("handoff-queue", HandoffQueue);

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

import { Refused } from "./data/api.js";
import { agentOf, isExpired, isListed, isPending, isUnreachable, move, movesOf } from "./data/handoffs.js";
import { follow } from "./data/live/live.js";
import { h } from "./dom/dom.js";
import { PanelElement } from "./dom/element.js";
import { Sound } from "./dom/sound.js";
import { handoffCard } from "./parts/card.js";
import { showConnection } from "./parts/layout.js";

/** @typedef {import("./data/api.js").Api} Api */
/** @typedef {import("./data/api.js").Session} Session */
/** @typedef {import("./data/live/live.js").State | "expired"} State */
/** @typedef {import("./data/types.js").Handoff} Handoff */
/** @typedef {{element: HTMLElement, id: string | undefined, index: number}} FocusedCard */

const RETRY_MS = 3000;
const LISTED = 200; // handoffs of one state that the server lists
const FEW = 50; // of a list that was cut: the rest is read while agents still have work
const ANSWERS = new Set(["live", "polling"]); // states in which the server answers
const KEYS = Object.freeze({ a: "accept", d: "decline", c: "complete", r: "release" });
/** @type {readonly State[]} the worst first */
const CONNECTIONS = Object.freeze(["expired", "refused", "lost", "polling", "connecting", "live"]);

export class HandoffQueue extends PanelElement {
  static observedAttributes = ["queue", "server", "language", "zone", "selected"];

  /** @type {Session | null} */ #session = null;
  /** @type {Map<string, Handoff>} */ #handoffs = new Map();
  /** @type {(() => void)[]} */ #following = [];
  /** @type {Map<string, State>} */ #states = new Map();
  /** @type {Map<string, {signature: string, node: HTMLElement}>} */ #cards = new Map();
  /** @type {HTMLElement} */ #lists = h("div", {});
  /** @type {HTMLElement} */ #status = h("p", {});
  /** @type {HTMLElement} */ #connection = h("p", {});
  /** @type {Set<string>} lists that were read once: their first handoffs make no sound */ #listed = new Set();
  /** @type {Set<string>} handoffs whose move is on its way */ #moving = new Set();
  /** @type {boolean} the status goes away once the server answers again */ #passing = false;
  /** @type {Map<string, Record<string, string>>} sources with more waiting handoffs than the server listed */ #partial = new Map();
  /** @type {Set<string>} those that are being read again */ #filling = new Set();
  #sound = new Sound();

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#sound.close();
  }

  /** @type {(name: string, before: string | null, after: string | null) => void} */
  attributeChangedCallback(name, before, after) {
    if ((before ?? "") === (after ?? "")) return; // starting again would lose the focus
    if (name === "selected") this.#show();
    else this.restart();
  }

  stop() {
    super.stop();
    for (const leave of this.#following) leave();
    this.#following = [];
  }

  get #queues() {
    return (this.getAttribute("queue") ?? "").split(/[\s,]+/).filter(Boolean);
  }

  /** @param {number} run */
  async start(run) {
    this.#handoffs.clear();
    this.#cards.clear();
    this.#states.clear();
    this.#listed.clear();
    this.#partial.clear();
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
    const me = agentOf(/** @type {Session} */ (this.#session));
    /** @type {{topic: string, query: Record<string, string>}[]} */
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
  }

  /** @param {string} type @param {any} data @param {Record<string, string>} query */
  #event(type, data, query) {
    if (type === "started" || type === "reset") {
      this.#all(data, query);
    } else if (type.startsWith("handoff.") && data.id && this.#take(data)) {
      this.#sound.play();
    }
    this.#show();
    this.#fillUp();
  }

  /** The list of one source: a handoff missing from it has ended, or is beyond its end. @param {{handoffs: Handoff[], more?: boolean}} given @param {Record<string, string>} query */
  #all({ handoffs, more }, query) {
    const there = new Set(handoffs.map((it) => it.id));
    for (const it of this.#handoffs.values()) {
      if (isListed(it, query) && !there.has(it.id)) this.#handoffs.delete(it.id);
    }
    const fresh = handoffs.filter((it) => this.#take(it)); // take every one, even after a first new one
    const list = JSON.stringify(query);
    if (fresh.length && this.#listed.has(list)) this.#sound.play();
    this.#listed.add(list);
    if (more && handoffs.filter(isPending).length >= LISTED) this.#partial.set(list, query);
    else this.#partial.delete(list);
  }

  /** Read a source again of which few handoffs are left here, and more on the server. */
  #fillUp() {
    for (const [list, query] of this.#partial) {
      const left = [...this.#handoffs.values()].filter((it) => isPending(it) && isListed(it, query)).length;
      if (left >= FEW || this.#filling.has(list)) continue;
      this.#filling.add(list);
      this.#poll(query).catch(() => null).finally(() => this.#filling.delete(list)); // the next event tries again
    }
  }

  /** Keep the newest version. Returns whether the handoff is newly waiting. @param {Handoff} it */
  #take(it) {
    const known = this.#handoffs.get(it.id);
    if (known && known.version > it.version) return false;
    this.#handoffs.set(it.id, it);
    return isPending(it) && !(known && isPending(known));
  }

  /** @param {Record<string, string>} query */
  async #poll(query) {
    const api = /** @type {Api} */ (this.api);
    const run = this.run;
    const pages = await Promise.all(["requested", "offered", "accepted"].map((state) => api.get("/v1/handoffs", { state, ...query, limit: LISTED })));
    if (this.ended(run)) return;
    this.#all({ handoffs: pages.flatMap((it) => it.handoffs), more: pages.some((it) => it.next) }, query);
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

  #build() {
    const { words } = this.locale;
    this.#status = h("p", { class: "status", role: "status" });
    this.#connection = h("p", { class: "connection", role: "status" });
    this.#lists = h("div", { class: "lists" });
    this.root.replaceChildren(
      h("section", { class: "queue", lang: words.language, "aria-label": words.text("queue.title") },
        h("div", { class: "timeline-head" }, h("h2", {}, words.text("queue.title")), this.#connection),
        this.#status,
        this.#lists,
        h("p", { class: "quiet keys" }, words.text("queue.keys")),
        this.#sound.control(words),
      ),
    );
    this.#show();
  }

  /** @returns {[string, Handoff[]][]} */
  #groups() {
    const me = this.#session ? agentOf(this.#session) : "";
    const all = [...this.#handoffs.values()].sort((one, other) => (one.requested_at < other.requested_at ? -1 : 1));
    const offered = all.filter((it) => it.state === "offered" && it.to.agent === me);
    const waiting = all.filter((it) => isPending(it) && !offered.includes(it));
    const mine = all.filter((it) => it.state === "accepted" && it.owner === me);
    return [["offered", offered], ["waiting", waiting], ["mine", mine]];
  }

  #show() {
    if (!this.ready || !this.#session) return;
    const { words } = this.locale;
    const groups = this.#groups();
    const focused = this.#focusedCard();
    const sections = groups.filter(([name, list]) => list.length || name === "waiting").map(([name, list]) =>
      h("section", { class: `group ${name}`, "aria-labelledby": `group-${name}` },
        h("h3", { id: `group-${name}` }, words.text(`queue.${name}`), h("span", { class: "count" }, String(list.length))),
        list.length ? h("ul", { class: "cards" }, list.map((it) => this.#card(it))) : h("p", { class: "quiet" }, words.text("queue.empty")),
      ),
    );
    const more = this.#partial.size ? h("p", { class: "quiet more-waiting" }, words.text("queue.more")) : "";
    this.#lists.replaceChildren(...sections, more);
    const there = new Set(groups.flatMap(([, list]) => list.map((it) => it.id)));
    for (const id of this.#cards.keys()) if (!there.has(id)) this.#cards.delete(id);
    this.#restoreFocus(focused);
    const waiting = groups[0][1].length + groups[1][1].length;
    this.announce("handoff-waiting", waiting);
  }

  /** @returns {FocusedCard | null} */
  #focusedCard() {
    const active = /** @type {HTMLElement | null} */ (this.root.activeElement);
    const card = active?.closest(".card");
    if (!active || !card) return null;
    return { element: active, id: /** @type {HTMLElement} */ (card).dataset.id, index: this.#cardsInOrder().indexOf(/** @type {HTMLElement} */ (card)) };
  }

  /** Focus the same element, or the card that took its place. @param {FocusedCard | null} focused */
  #restoreFocus(focused) {
    if (!focused) return;
    if (this.root.contains(focused.element) && this.root.activeElement !== focused.element) focused.element.focus();
    if (this.root.activeElement) return;
    const cards = this.#cardsInOrder();
    (cards.find((it) => it.dataset.id === focused.id) ?? cards[Math.min(focused.index, cards.length - 1)])?.focus();
  }

  #cardsInOrder() {
    return /** @type {HTMLElement[]} */ ([...this.root.querySelectorAll(".card")]);
  }

  /** @param {Handoff} it */
  #card(it) {
    const selected = this.getAttribute("selected") === it.id;
    const signature = JSON.stringify([it.id, it.version, selected]);
    const known = this.#cards.get(it.id);
    if (known?.signature === signature) return known.node;
    const session = /** @type {Session} */ (this.#session);
    const node = handoffCard(it, session, this.locale, selected, {
      open: () => this.#open(it),
      move: (action, reason) => this.#move(it, action, reason),
    });
    node.addEventListener("keydown", (event) => this.#key(event, it, node));
    this.#cards.set(it.id, { signature, node });
    return node;
  }

  /** @param {Handoff} it */
  #open(it) {
    this.setAttribute("selected", it.id);
    this.announce("handoff-open", it);
  }

  /** Single keys work only while a card has the focus (WCAG 2.1.4). @param {KeyboardEvent} event @param {Handoff} it @param {HTMLElement} card */
  #key(event, it, card) {
    if (event.target !== card || event.ctrlKey || event.metaKey || event.altKey) return;
    const cards = this.#cardsInOrder();
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (step) cards[cards.indexOf(card) + step]?.focus();
    else if (event.key === "Enter") this.#open(it);
    else if (event.key in KEYS) {
      const action = /** @type {any} */ (KEYS)[event.key];
      if (!movesOf(it, /** @type {any} */ (this.#session)).includes(action)) return;
      if (action === "accept" || action === "complete") this.#move(it, action, null);
      else card.querySelector(".moves .moves")?.dispatchEvent(new CustomEvent("ask", { detail: action }));
    } else return;
    event.preventDefault();
  }

  /** @param {Handoff} it @param {string} action @param {string | null} reason */
  async #move(it, action, reason) {
    if (this.#moving.has(it.id)) return;
    this.#moving.add(it.id);
    this.#report(this.text("move.working"));
    const outcome = await move(/** @type {Api} */ (this.api), it, action, reason, this.locale.words);
    this.#moving.delete(it.id);
    if (outcome.error) return this.#failed(outcome.error);
    this.#report(outcome.message);
    if (!outcome.handoff) return;
    this.#take(outcome.handoff);
    this.#show();
    if (outcome.done && action === "accept") this.#open(outcome.handoff);
  }
}

customElements.define("handoff-queue", HandoffQueue);

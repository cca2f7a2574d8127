// @ts-check
/**
 * `<handoff-queue>`: hand-offs that wait, live, worked by keyboard alone.
 *
 *     <handoff-queue server="https://handoff.example.com" queue="refunds claims"></handoff-queue>
 *     element.token = "hs_…";
 *
 * Attributes: `queue` (names, separated by spaces; the agent's own hand-offs are always shown),
 * `selected` (a hand-off's id), `server`, `language`, `zone`.
 * Events: `handoff-open` (detail: the hand-off), `handoff-waiting` (detail: how many),
 * `handoff-token-needed`.
 */

import { Api, path, Refused } from "./api.js";
import { button, h, icon, said, styles } from "./dom.js";
import { Live } from "./live.js";
import { agentOf, isPending, move, moveButtons, movesOf, partyName } from "./moves.js";
import { Sound } from "./sound.js";
import { Times } from "./times.js";
import { Words } from "./words.js";

/** @typedef {import("./types.js").Handoff} Handoff */
/** @typedef {{active: HTMLElement, id: string | undefined, at: number}} Place */

const TICK_MS = 15_000;
const KEYS = Object.freeze({ a: "accept", d: "decline", c: "complete", r: "release" });

export class HandoffQueue extends HTMLElement {
  static observedAttributes = ["queue", "server", "language", "zone", "selected"];

  /** @type {Api | null} */ #api = null;
  /** @type {{words: Words, times: Times} | null} */ #voice = null;
  /** @type {import("./api.js").Session | null} */ #session = null;
  /** @type {Map<string, Handoff>} */ #handoffs = new Map();
  /** @type {Live[]} */ #streams = [];
  /** @type {Map<string, import("./live.js").State>} */ #states = new Map();
  /** @type {Map<string, {signature: string, node: HTMLElement}>} */ #cards = new Map();
  /** @type {HTMLElement} */ #lists = h("div", {});
  /** @type {HTMLElement} */ #status = h("p", {});
  /** @type {HTMLElement} */ #connection = h("p", {});
  /** @type {Set<string>} lists that were read once: what is in them at first makes no sound */ #listed = new Set();
  #sound = new Sound();
  #turn = 0;
  #pending = false;
  /** @type {number | undefined} */ #ticking;

  constructor() {
    super();
    this.attachShadow({ mode: "open" });
  }

  get root() {
    return /** @type {ShadowRoot} */ (this.shadowRoot);
  }

  /** @param {string} token */
  set token(token) {
    if (this.#api) this.#api.renew(token);
    else this.#api = new Api(this.getAttribute("server") ?? new URL("..", import.meta.url).href, token);
    this.#soon();
  }

  /** @param {Api} api */
  set api(api) {
    this.#api = api;
    this.#soon();
  }

  connectedCallback() {
    this.#ticking = window.setInterval(() => this.#voice?.times.keep(this.root), TICK_MS);
    this.#soon();
  }

  disconnectedCallback() {
    window.clearInterval(this.#ticking);
    this.#sound.close();
    this.#stop();
  }

  /** @param {string} name */
  attributeChangedCallback(name) {
    if (name === "selected") this.#show();
    else this.#soon();
  }

  #soon() {
    if (this.#pending) return;
    this.#pending = true;
    queueMicrotask(() => {
      this.#pending = false;
      if (this.isConnected) this.#start();
    });
  }

  #stop() {
    this.#turn += 1;
    for (const it of this.#streams) it.stop();
    this.#streams = [];
  }

  get #queues() {
    return (this.getAttribute("queue") ?? "").split(/[\s,]+/).filter(Boolean);
  }

  async #start() {
    this.#stop();
    const turn = this.#turn;
    const [words, sheet] = await Promise.all([Words.load(this.getAttribute("language")), styles()]);
    if (turn !== this.#turn) return;
    this.#voice = { words, times: new Times(words.locale, this.getAttribute("zone")) };
    this.root.adoptedStyleSheets = [sheet];
    this.#handoffs.clear();
    this.#cards.clear();
    this.#states.clear();
    this.#listed.clear();
    this.#build();
    if (!this.#api) {
      this.#status.textContent = words.text("state.no_token");
      return;
    }
    try {
      this.#session = await this.#api.session();
    } catch (error) {
      if (turn === this.#turn) this.#failed(error);
      if (!(error instanceof Refused)) setTimeout(() => turn === this.#turn && this.#start(), 3000);
      return;
    }
    if (turn === this.#turn) this.#follow(turn);
  }

  /** @param {unknown} error */
  #failed(error) {
    const { words } = /** @type {any} */ (this.#voice);
    if (error instanceof Refused && error.status === 401) {
      this.#status.textContent = words.text("error.token");
      this.dispatchEvent(new CustomEvent("handoff-token-needed", { bubbles: true, composed: true }));
    } else {
      this.#status.textContent = error instanceof Refused ? error.message : words.text("error.unreachable");
    }
  }

  /** @param {number} turn */
  #follow(turn) {
    const api = /** @type {Api} */ (this.#api);
    const session = /** @type {import("./api.js").Session} */ (this.#session);
    const sources = this.#queues.map((name) => ({ key: name, stream: path`/v1/queues/${name}/events`, query: { queue: name } }));
    const me = agentOf(session);
    sources.push({ key: `agent ${me}`, stream: path`/v1/agents/${me}/events`, query: /** @type {any} */ ({ agent: me }) });
    this.#streams = sources.map(({ key, stream, query }) =>
      new Live(api, stream, {
        event: (type, data) => turn === this.#turn && this.#event(type, data, query),
        state: (state, error) => turn === this.#turn && this.#connected(key, state, error),
        poll: () => this.#poll(query),
      }).start(),
    );
    if (!this.#queues.length) this.#poll({}).catch((error) => this.#failed(error));
  }

  /** @param {string} type @param {any} data @param {Record<string, string>} query */
  #event(type, data, query) {
    if (type === "ready" || type === "reset") {
      this.#all(data.handoffs, query);
    } else if (type.startsWith("handoff.") && data.id && this.#take(data)) {
      this.#sound.play();
    }
    this.#show();
  }

  /** The whole list of one source: what it no longer has is over. @param {Handoff[]} handoffs @param {Record<string, string>} query */
  #all(handoffs, query) {
    const there = new Set(handoffs.map((it) => it.id));
    for (const it of this.#handoffs.values()) {
      const itsOwn = query.queue ? it.to.queue === query.queue : it.to.agent === query.agent;
      if (itsOwn && !there.has(it.id)) this.#handoffs.delete(it.id);
    }
    const fresh = handoffs.filter((it) => this.#take(it)); // all are taken, whoever is new
    const list = JSON.stringify(query);
    if (fresh.length && this.#listed.has(list)) this.#sound.play();
    this.#listed.add(list);
  }

  /** Never an older version over a newer one. Whether somebody waits who did not before. @param {Handoff} it */
  #take(it) {
    const known = this.#handoffs.get(it.id);
    if (known && known.version > it.version) return false;
    this.#handoffs.set(it.id, it);
    return isPending(it) && !(known && isPending(known));
  }

  /** @param {Record<string, string>} query */
  async #poll(query) {
    const api = /** @type {Api} */ (this.#api);
    const pages = await Promise.all(["requested", "offered", "accepted"].map((state) => api.get("/v1/handoffs", { state, ...query, limit: 200 })));
    this.#all(pages.flatMap((it) => it.handoffs), query);
    this.#show();
  }

  /** @param {string} key @param {import("./live.js").State} state @param {Error} [error] */
  #connected(key, state, error) {
    this.#states.set(key, state);
    const order = ["refused", "lost", "polling", "connecting", "live"];
    const worst = order.find((it) => [...this.#states.values()].includes(/** @type {any} */ (it))) ?? "connecting";
    if (this.#connection.dataset.state !== worst) {
      this.#connection.dataset.state = worst;
      this.#connection.replaceChildren(h("span", { class: "dot", "aria-hidden": "true" }), /** @type {any} */ (this.#voice).words.text(`live.${worst}`));
    }
    if (error) this.#failed(error);
  }

  #build() {
    const { words } = /** @type {any} */ (this.#voice);
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
    if (!this.#voice || !this.#session) return;
    const { words } = this.#voice;
    const groups = this.#groups();
    const place = this.#focusedPlace();
    const sections = groups.filter(([name, list]) => list.length || name === "waiting").map(([name, list]) =>
      h("section", { class: `group ${name}`, "aria-labelledby": `group-${name}` },
        h("h3", { id: `group-${name}` }, words.text(`queue.${name}`), h("span", { class: "count" }, String(list.length))),
        list.length ? h("ul", { class: "cards" }, list.map((it) => this.#card(it))) : h("p", { class: "quiet" }, words.text("queue.empty")),
      ),
    );
    this.#lists.replaceChildren(...sections);
    const there = new Set(groups.flatMap(([, list]) => list.map((it) => it.id)));
    for (const id of this.#cards.keys()) if (!there.has(id)) this.#cards.delete(id);
    this.#focusAgain(place);
    const waiting = groups[0][1].length + groups[1][1].length;
    this.dispatchEvent(new CustomEvent("handoff-waiting", { bubbles: true, composed: true, detail: waiting }));
  }

  /** @returns {Place | null} */
  #focusedPlace() {
    const active = /** @type {HTMLElement | null} */ (this.root.activeElement);
    const card = active?.closest(".card");
    if (!active || !card) return null;
    return { active, id: /** @type {HTMLElement} */ (card).dataset.id, at: this.#cardsInOrder().indexOf(/** @type {HTMLElement} */ (card)) };
  }

  /** Where the focus was, or the card that took its place. @param {Place | null} place */
  #focusAgain(place) {
    if (!place) return;
    if (this.root.contains(place.active) && this.root.activeElement !== place.active) place.active.focus();
    if (this.root.activeElement) return;
    const cards = this.#cardsInOrder();
    (cards.find((it) => it.dataset.id === place.id) ?? cards[Math.min(place.at, cards.length - 1)])?.focus();
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
    const node = this.#newCard(it, selected);
    this.#cards.set(it.id, { signature, node });
    return node;
  }

  /** @param {Handoff} it @param {boolean} selected */
  #newCard(it, selected) {
    const { words, times } = /** @type {any} */ (this.#voice);
    const session = /** @type {import("./api.js").Session} */ (this.#session);
    const channel = it.to.channel ?? it.from.channel ?? "other";
    const card = h(
      "li",
      { class: `card ${it.state}${selected ? " selected" : ""}`, tabindex: "0", "data-id": it.id, "aria-current": selected ? "true" : null },
      h("p", { class: "card-head" }, icon(channel), h("span", { class: "hidden" }, words.name("channel", channel)), said(partyName(it.from)), " → ", said(it.to.queue ?? partyName(it.to)), times.element(it.requested_at, "since")),
      h("p", { class: "card-why" }, said(it.reason)),
      it.state === "offered" ? h("p", { class: "quiet" }, words.nodes("queue.offered_to", { who: it.to.agent ?? "–" }), it.offer_until ? [" · ", times.element(it.offer_until, "ago")] : null) : null,
      h("div", { class: "moves" }, button(words.text("move.open"), () => this.#open(it), { "aria-label": words.text("move.open.this", { reason: it.reason.slice(0, 80) }) }), moveButtons(it, session, words, (action, reason) => this.#move(it, action, reason))),
    );
    card.addEventListener("keydown", (event) => this.#key(event, it, card));
    return card;
  }

  /** @param {Handoff} it */
  #open(it) {
    this.setAttribute("selected", it.id);
    this.dispatchEvent(new CustomEvent("handoff-open", { bubbles: true, composed: true, detail: it }));
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
    const outcome = await move(/** @type {Api} */ (this.#api), it, action, reason, /** @type {any} */ (this.#voice).words);
    this.#status.textContent = outcome.message;
    if (!outcome.handoff) return;
    this.#take(outcome.handoff);
    this.#show();
    if (outcome.done && action === "accept") this.#open(outcome.handoff);
  }
}

customElements.define("handoff-queue", HandoffQueue);

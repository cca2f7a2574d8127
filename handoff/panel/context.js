// @ts-check
/**
 * `<handoff-context>`: the whole story of one customer, live.
 *
 *     <handoff-context server="https://handoff.example.com" handoff="…"></handoff-context>
 *     element.token = "hs_…";
 *
 * Attributes: `handoff`, `customer` or `identity` say whose story; `server`, `language`, `zone`.
 * Events: `handoff-changed` (detail: the hand-off), `handoff-token-needed`.
 */

import { Api, path, Refused } from "./api.js";
import { briefEnd, briefLine, briefSections, effortRow, wrapUpText } from "./brief.js";
import { changedIdentities, changedLines, compareSection, newsSince } from "./compare.js";
import { completenessBanner } from "./completeness.js";
import { composePart, touchpointOf } from "./compose.js";
import { button, h, styles } from "./dom.js";
import { Live } from "./live.js";
import { handoffPart, may, move, tellViewed } from "./moves.js";
import { read, targetOf } from "./reading.js";
import { Regions } from "./regions.js";
import { Story } from "./story.js";
import { Times } from "./times.js";
import { decide, whoPart } from "./who.js";
import { Words } from "./words.js";

/** @typedef {import("./types.js").Context} Context */
/** @typedef {import("./types.js").Handoff} Handoff */
/** @typedef {import("./brief.js").Voice} Voice */

const SETTLE_MS = 150; // several events at once are one look at the context
const TICK_MS = 15_000;

export class HandoffContext extends HTMLElement {
  static observedAttributes = ["handoff", "customer", "identity", "server", "language", "zone"];

  /** @type {Api | null} */ #api = null;
  /** @type {Voice | null} */ #voice = null;
  /** @type {import("./api.js").Session | null} */ #session = null;
  /** @type {Context | null} */ #context = null;
  /** @type {Handoff | null} */ #handoff = null;
  /** @type {any} */ #snapshot = null;
  /** @type {Live | null} */ #live = null;
  /** @type {Story | null} */ #story = null;
  #regions = new Regions({});
  #turn = 0;
  #pending = false;
  #looking = false;
  /** @type {number | undefined} */ #settling;
  /** @type {number | undefined} */ #ticking;

  constructor() {
    super();
    this.attachShadow({ mode: "open" });
  }

  get root() {
    return /** @type {ShadowRoot} */ (this.shadowRoot);
  }

  /** A session's token; a later one for the same agent goes on where the first ended.
   * @param {string} token */
  set token(token) {
    if (this.#api) this.#api.renew(token);
    else this.#api = new Api(this.getAttribute("server") ?? new URL("..", import.meta.url).href, token);
    this.#soon();
  }

  /** Share one connection with other elements.
   * @param {Api} api */
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
    this.#stop();
  }

  attributeChangedCallback() {
    this.#soon();
  }

  /** Several attributes set in a row are one start. */
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
    window.clearTimeout(this.#settling);
    this.#live?.stop();
    this.#live = null;
  }

  async #start() {
    this.#stop();
    const turn = this.#turn;
    const [words, sheet] = await Promise.all([Words.load(this.getAttribute("language")), styles()]);
    if (turn !== this.#turn) return;
    this.#voice = { words, times: new Times(words.locale, this.getAttribute("zone")) };
    this.root.adoptedStyleSheets = [sheet];
    this.#context = null;
    this.#snapshot = null;
    this.#build();
    if (!this.#api || !Object.values(targetOf(this)).some(Boolean)) {
      this.#regions.tell("status", words.text(this.#api ? "state.nobody" : "state.no_token"));
      return;
    }
    this.#regions.tell("status", words.text("state.loading"));
    await this.#load(turn);
  }

  #forget() {
    this.#snapshot = null;
    this.#story?.forget();
  }

  /** @param {number} turn */
  async #load(turn) {
    try {
      await this.#look(turn);
      if (turn !== this.#turn) return;
      this.#regions.tell("status", "");
      this.#follow(turn);
    } catch (error) {
      if (turn !== this.#turn) return;
      this.#failed(error);
      if (!(error instanceof Refused) || error.status >= 500) {
        this.#settling = window.setTimeout(() => this.#load(turn), 3000);
      }
    }
  }

  /** Read everything anew and show it. @param {number} turn */
  async #look(turn) {
    const { session, handoff, context } = await read(/** @type {Api} */ (this.#api), targetOf(this));
    if (turn !== this.#turn) return;
    const before = this.#context;
    if (before && before.customer?.id !== context.customer?.id) this.#forget();
    this.#session = session;
    this.#context = context;
    this.#handoff = handoff;
    this.#story?.take(context);
    this.#show();
    tellViewed(/** @type {Api} */ (this.#api), this.#handoff, this.#session);
  }

  /** Follow what happens from exactly the state that is shown. @param {number} turn */
  #follow(turn) {
    const context = this.#context;
    if (!context?.customer || !this.#api) return;
    const again = () => this.#again(turn);
    this.#live = new Live(
      this.#api,
      path`/v1/customers/${context.customer.id}/events`,
      {
        event: (type, data) => {
          if (type === "reset") this.#changed(data);
          if (type !== "ready") again();
        },
        state: (state, error) => this.#connection(state, error),
        poll: () => this.#look(turn),
      },
      context.as_of,
    ).start();
  }

  /** @param {number} turn */
  #again(turn) {
    window.clearTimeout(this.#settling);
    this.#settling = window.setTimeout(async () => {
      if (turn !== this.#turn) return;
      if (this.#looking) {
        this.#again(turn);
        return;
      }
      this.#looking = true;
      try {
        await this.#look(turn);
      } catch (error) {
        if (turn === this.#turn && error instanceof Refused) this.#failed(error);
        else if (turn === this.#turn) this.#settling = window.setTimeout(() => this.#again(turn), 1000);
      } finally {
        this.#looking = false;
      }
    }, SETTLE_MS);
  }

  /** The customer is another set of identities now. @param {{reason: string}} data */
  #changed(data) {
    this.#forget();
    if (data.reason === "changed") this.#regions.tell("notice", this.#say("state.identities_changed"));
  }

  /** @param {import("./live.js").State} state @param {Error} [error] */
  #connection(state, error) {
    const place = this.#regions.place("connection");
    place.dataset.state = state;
    place.replaceChildren(h("span", { class: "dot", "aria-hidden": "true" }), this.#say(`live.${state}`));
    if (error) this.#failed(error);
  }

  /** @param {unknown} error */
  #failed(error) {
    if (error instanceof Refused && error.status === 401) {
      this.#regions.tell("status", this.#say("error.token"));
      this.dispatchEvent(new CustomEvent("handoff-token-needed", { bubbles: true, composed: true }));
    } else if (error instanceof Refused) {
      this.#regions.tell("status", error.status === 404 ? this.#say("error.not_found") : error.message);
    } else {
      this.#regions.tell("status", this.#say("error.unreachable"));
    }
  }

  // --- Showing -------------------------------------------------------------------------------------

  /** @param {string} key @param {Record<string, unknown>} [values] */
  #say(key, values) {
    return /** @type {Voice} */ (this.#voice).words.text(key, values);
  }

  #build() {
    const voice = /** @type {Voice} */ (this.#voice);
    const say = (/** @type {string} */ key) => this.#say(key);
    const r = {
      status: h("p", { class: "status", role: "status" }),
      notice: h("p", { class: "notice", role: "status" }),
      connection: h("p", { class: "connection", role: "status" }),
      completeness: h("div", {}),
      who: h("section", { class: "who-part", "aria-label": say("who.title") }),
      handoff: h("section", { class: "handoff-part", "aria-label": say("handoff.title") }),
      why: h("section", { class: "part why", "aria-label": say("brief.why_now") }),
      brief: h("div", { class: "brief" }),
      compare: h("div", {}),
      compose: h("section", { class: "part compose-part", "aria-label": say("compose.title") }),
      filters: h("div", { class: "filters", role: "group", "aria-label": say("filter.title") }),
      counted: h("p", { class: "quiet", role: "status" }),
      newer: h("div", { class: "newer" }),
      rest: h("div", { class: "rest" }),
    };
    this.#regions = new Regions(r);
    const left = h("div", { class: "left" }, r.notice, r.completeness, r.who, r.why, r.handoff, r.brief, r.compare, r.compose);
    const right = h("section", { class: "right", "aria-label": say("timeline.title") });
    this.root.replaceChildren(h("div", { class: "context", lang: voice.words.language }, r.status, h("div", { class: "story", hidden: true }, left, right)));
    this.#story = new Story({
      voice,
      regions: this.#regions,
      api: () => this.#api,
      failed: (error) => this.#failed(error),
      filters: this.#story?.filters,
    });
    right.append(h("div", { class: "timeline-head" }, h("h3", {}, say("timeline.title")), r.connection), r.filters, r.counted, r.newer, this.#story.view.element, r.rest);
  }

  #show() {
    const context = /** @type {Context} */ (this.#context);
    const voice = /** @type {Voice} */ (this.#voice);
    const story = /** @type {HTMLElement} */ (this.root.querySelector(".story"));
    story.hidden = false;
    const jump = (/** @type {string[]} */ ids) => this.#story?.jump(ids);
    const allowed = (/** @type {string} */ scope) => Boolean(this.#session && may(this.#session, scope));
    const r = this.#regions;
    r.show("completeness", context.completeness, () => [completenessBanner(context, voice)]);
    r.show("who", [context.customer, context.match, context.candidates, context.question], () =>
      whoPart(context, voice, (id) => this.#open(id), allowed("links:write") ? (it, yes) => this.#decide(it, yes) : null));
    r.show("handoff", [this.#handoff, this.#session, Boolean(this.#snapshot)], () => this.#handoffPart());
    const why = context.brief?.why_now ?? [];
    const effort = context.brief?.effort;
    r.show("why", [why, effort && { ...effort, waiting_minutes: 0 }], () => [
      why.length || effort?.contacts ? h("h3", {}, this.#say("brief.why_now")) : null,
      why.length ? h("ul", { class: "lines" }, why.map((it) => briefLine(it, voice, jump))) : null,
      effort ? effortRow(effort, voice) : null,
    ]);
    r.show("brief", context.brief && [context.brief, context.left_out.brief_older_than], () =>
      context.brief ? [...briefSections(context.brief, voice, jump), briefEnd(context, voice)] : []);
    this.#compare();
    const writing = allowed("touchpoints:write");
    r.show("compose", [context.customer?.id, writing], () => {
      const summary = () => wrapUpText(/** @type {Context} */ (this.#context), voice);
      return context.customer ? composePart(voice, summary, writing ? (...given) => this.#add(...given) : null) : [];
    });
    this.#story?.show();
    voice.times.keep(this.root);
  }

  /** Several may be meant: the agent chooses whose story to read. @param {string} id */
  #open(id) {
    this.removeAttribute("identity");
    this.removeAttribute("handoff");
    this.setAttribute("customer", id);
  }

  /** @param {import("./types.js").Candidate} candidate @param {boolean} yes */
  async #decide(candidate, yes) {
    const customer = this.#context?.customer;
    if (!customer || !this.#api) return;
    try {
      await decide(this.#api, customer, candidate, yes, this.#say(yes ? "who.confirm.reason" : "who.refuse.reason"));
      this.#regions.tell("notice", this.#say(yes ? "who.confirmed" : "who.refused"));
    } catch (error) {
      this.#regions.tell("notice", error instanceof Refused ? error.message : this.#say("error.unreachable"));
    }
    this.#again(this.#turn);
  }

  #handoffPart() {
    const handoff = this.#handoff;
    if (!handoff || !this.#session) return [];
    const voice = /** @type {Voice} */ (this.#voice);
    const compare = () => button(this.#say(this.#snapshot ? "compare.close" : "compare.open"), () => this.#toggleCompare(), { class: "more" });
    const act = (/** @type {string} */ action, /** @type {string | null} */ reason) => this.#move(action, reason);
    return [...handoffPart(handoff, this.#session, voice, act), handoff.snapshot ? compare() : null];
  }

  /** @param {string} action @param {string | null} reason */
  async #move(action, reason) {
    const handoff = this.#handoff;
    if (!handoff || !this.#api) return;
    const { words } = /** @type {Voice} */ (this.#voice);
    const outcome = await move(this.#api, handoff, action, reason, words);
    this.#regions.tell("notice", outcome.message);
    if (outcome.handoff) {
      this.#handoff = outcome.handoff;
      this.#show();
      tellViewed(/** @type {Api} */ (this.#api), this.#handoff, this.#session);
      this.dispatchEvent(new CustomEvent("handoff-changed", { bubbles: true, composed: true, detail: outcome.handoff }));
    }
    this.#again(this.#turn);
  }

  // --- What the owner was shown, and what is known now ---------------------------------------------

  async #toggleCompare() {
    const handoff = this.#handoff;
    if (this.#snapshot || !handoff || !this.#api) {
      this.#snapshot = null;
      this.#story?.only(null);
    } else {
      try {
        this.#snapshot = await this.#api.get(path`/v1/handoffs/${handoff.id}/snapshot`);
      } catch (error) {
        this.#failed(error);
        return;
      }
    }
    this.#show();
  }

  #compare() {
    const handoff = this.#handoff;
    const snapshot = this.#snapshot;
    const story = this.#story;
    const context = /** @type {Context} */ (this.#context);
    if (!snapshot || !handoff || !story) {
      this.#regions.show("compare", null, () => []);
      return;
    }
    const news = newsSince(snapshot, handoff, story.loaded());
    const changes = [changedLines(snapshot, context), changedIdentities(snapshot, context)];
    this.#regions.show("compare", [news.map((it) => it.id), handoff.snapshot, changes], () => {
      const toggle = () => {
        story.only(story.filters.only ? null : new Set(news.map((it) => it.id)));
        return story.filters.only !== null;
      };
      const jump = (/** @type {string[]} */ ids) => story.jump(ids);
      return [compareSection({ snapshot, context, handoff, news }, /** @type {Voice} */ (this.#voice), jump, toggle)];
    });
  }

  // --- Adding --------------------------------------------------------------------------------------

  /** @param {string} kind @param {string} text @param {string | null} due @param {string} id */
  async #add(kind, text, due, id) {
    if (!this.#context || !this.#session || !this.#api) return this.#say("error.unreachable");
    try {
      await this.#api.post("/v1/touchpoints", touchpointOf(this.#context, this.#handoff, this.#session, { kind, text, due, id }));
      this.#again(this.#turn);
      return null;
    } catch (error) {
      return error instanceof Refused ? error.message : this.#say("error.unreachable");
    }
  }
}

customElements.define("handoff-context", HandoffContext);

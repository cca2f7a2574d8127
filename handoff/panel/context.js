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
import { briefLine, briefSections, effortRow, wrapUpText } from "./brief.js";
import { compareSection, newsSince } from "./compare.js";
import { completenessBanner } from "./completeness.js";
import { composer, touchpointOf } from "./compose.js";
import { button, h, said, styles } from "./dom.js";
import { filterControls, noFilters } from "./filters.js";
import { Live } from "./live.js";
import { agentOf, hopList, may, move, moveButtons, partyName } from "./moves.js";
import { TimelineView, kindOf } from "./timeline.js";
import { Times } from "./times.js";
import { candidateList, decide, identityList, nameOf, warnings } from "./who.js";
import { Words } from "./words.js";

/** @typedef {import("./types.js").Context} Context */
/** @typedef {import("./types.js").Handoff} Handoff */
/** @typedef {import("./types.js").Touchpoint} Touchpoint */
/** @typedef {import("./brief.js").Voice} Voice */

const PAGE = 50;
const SETTLE_MS = 150; // several events at once are one look at the context
const TICK_MS = 15_000;

export class HandoffContext extends HTMLElement {
  static observedAttributes = ["handoff", "customer", "identity", "server", "language", "zone"];

  /** @type {Api | null} */ #api = null;
  /** @type {Voice | null} */ #voice = null;
  /** @type {import("./api.js").Session | null} */ #session = null;
  /** @type {Context | null} */ #context = null;
  /** @type {Handoff | null} */ #handoff = null;
  /** @type {Map<string, Touchpoint>} */ #touchpoints = new Map();
  /** @type {string | null} */ #older = null;
  /** @type {any} */ #snapshot = null;
  /** @type {Live | null} */ #live = null;
  /** @type {TimelineView | null} */ #timeline = null;
  /** @type {import("./timeline.js").Filters} */ #filters = noFilters();
  /** @type {Record<string, HTMLElement>} */ #regions = {};
  /** @type {Map<string, string>} */ #shown = new Map();
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
    this.#forget();
    this.#build();
    if (!this.#api || !this.#target()) {
      this.#tell("status", words.text(this.#api ? "state.nobody" : "state.no_token"));
      return;
    }
    this.#tell("status", words.text("state.loading"));
    await this.#load(turn);
  }

  #forget() {
    this.#touchpoints.clear();
    this.#older = null;
    this.#snapshot = null;
    this.#filters.only = null;
  }

  #target() {
    return this.getAttribute("handoff") ?? this.getAttribute("customer") ?? this.getAttribute("identity");
  }

  /** @param {number} turn */
  async #load(turn) {
    try {
      await this.#look(turn);
      if (turn !== this.#turn) return;
      this.#tell("status", "");
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
    const api = /** @type {Api} */ (this.#api);
    const id = this.getAttribute("handoff");
    const query = { limit: PAGE };
    const [session, handoff, context] = await Promise.all([
      api.session(),
      id ? api.get(path`/v1/handoffs/${id}`) : null,
      id ? api.get(path`/v1/handoffs/${id}/context`, query) : this.#lookUp(api, query),
    ]);
    if (turn !== this.#turn) return;
    const before = this.#context;
    if (before && before.customer?.id !== context.customer?.id) this.#forget();
    this.#session = session;
    this.#context = context;
    const mine = agentOf(session);
    this.#handoff = handoff ?? context.handoffs?.find((/** @type {Handoff} */ it) => it.owner === mine) ?? null;
    this.#take(context);
    this.#show();
    this.#viewed();
  }

  /** @param {Api} api @param {Record<string, any>} query @returns {Promise<Context>} */
  #lookUp(api, query) {
    const customer = this.getAttribute("customer");
    if (customer) return api.get(path`/v1/customers/${customer}/context`, query);
    return api.get("/v1/context", { identity: this.getAttribute("identity") ?? "", ...query });
  }

  /** The newest page with what was loaded before it. @param {Context} context */
  #take(context) {
    const page = context.timeline?.touchpoints ?? [];
    const last = page.at(-1);
    if (this.#touchpoints.size === 0) this.#older = context.timeline?.next ?? null;
    if (last) {
      // What the new page covers is as the page says, also where something is gone from it.
      for (const [id, it] of this.#touchpoints) if (it.occurred_at >= last.occurred_at) this.#touchpoints.delete(id);
    }
    for (const it of page) this.#touchpoints.set(it.id, it);
  }

  /** Newest first, as the server orders them. */
  #ordered() {
    const found = [...this.#touchpoints.values()];
    const place = new Map((this.#context?.timeline?.touchpoints ?? []).map((it, at) => [it.id, at]));
    return found.sort((one, other) => {
      if (one.occurred_at !== other.occurred_at) return one.occurred_at < other.occurred_at ? 1 : -1;
      return (place.get(one.id) ?? Infinity) - (place.get(other.id) ?? Infinity) || 0;
    });
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
    this.#timeline?.seen?.clear();
    if (this.#timeline) this.#timeline.seen = undefined;
    if (data.reason === "changed") this.#tell("notice", this.#say("state.identities_changed"));
  }

  /** @param {import("./live.js").State} state @param {Error} [error] */
  #connection(state, error) {
    const place = this.#regions.connection;
    place.dataset.state = state;
    place.replaceChildren(h("span", { class: "dot", "aria-hidden": "true" }), this.#say(`live.${state}`));
    if (error) this.#failed(error);
  }

  /** @param {unknown} error */
  #failed(error) {
    if (error instanceof Refused && error.status === 401) {
      this.#tell("status", this.#say("error.token"));
      this.dispatchEvent(new CustomEvent("handoff-token-needed", { bubbles: true, composed: true }));
    } else if (error instanceof Refused) {
      this.#tell("status", error.status === 404 ? this.#say("error.not_found") : error.message);
    } else {
      this.#tell("status", this.#say("error.unreachable"));
    }
  }

  async #viewed() {
    const handoff = this.#handoff;
    const session = this.#session;
    if (!handoff || !session || handoff.viewed_at || handoff.state !== "accepted") return;
    if (handoff.owner !== agentOf(session) || !may(session, "handoffs:write")) return;
    handoff.viewed_at = new Date().toISOString(); // once; the server keeps the first
    await this.#api?.post(path`/v1/handoffs/${handoff.id}/viewed`, {}).catch(() => null);
  }

  // --- Showing -------------------------------------------------------------------------------------

  /** @param {string} key @param {Record<string, unknown>} [values] */
  #say(key, values) {
    return /** @type {Voice} */ (this.#voice).words.text(key, values);
  }

  #build() {
    const voice = /** @type {Voice} */ (this.#voice);
    const say = (/** @type {string} */ key) => this.#say(key);
    const r = (this.#regions = {
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
      rest: h("div", { class: "rest" }),
    });
    this.#timeline = new TimelineView(voice);
    this.#shown.clear();
    this.root.replaceChildren(
      h(
        "div",
        { class: "context", lang: voice.words.language },
        r.status,
        h("div", { class: "story", hidden: true },
          h("div", { class: "left" }, r.notice, r.completeness, r.who, r.why, r.handoff, r.brief, r.compare, r.compose),
          h("section", { class: "right", "aria-label": say("timeline.title") }, h("div", { class: "timeline-head" }, h("h3", {}, say("timeline.title")), r.connection), r.filters, r.counted, this.#timeline.element, r.rest),
        ),
      ),
    );
    this.#buildFilters([]);
  }

  /** @param {string} region @param {string} text */
  #tell(region, text) {
    const place = this.#regions[region];
    if (place && place.textContent !== text) place.textContent = text;
  }

  /**
   * Build a region anew where what it shows has changed.
   * @param {string} region
   * @param {unknown} state
   * @param {() => import("./dom.js").Child[]} build
   */
  #region(region, state, build) {
    const signature = JSON.stringify(state) ?? "";
    if (this.#shown.get(region) === signature) return;
    this.#shown.set(region, signature);
    const place = this.#regions[region];
    const focused = /** @type {HTMLElement | null} */ (this.root.activeElement);
    const label = focused && place.contains(focused) ? focused.getAttribute("aria-label") ?? focused.textContent : null;
    place.replaceChildren(...build().flat().filter(Boolean).map((it) => (it instanceof Node ? it : String(it))));
    if (label !== null) this.#focusAgain(place, label);
  }

  /** @param {HTMLElement} place @param {string} label */
  #focusAgain(place, label) {
    const same = [...place.querySelectorAll("button, input, summary")].find((it) => (it.getAttribute("aria-label") ?? it.textContent) === label);
    /** @type {HTMLElement | undefined} */ (same)?.focus();
  }

  #show() {
    const context = /** @type {Context} */ (this.#context);
    const voice = /** @type {Voice} */ (this.#voice);
    const story = /** @type {HTMLElement} */ (this.root.querySelector(".story"));
    story.hidden = false;
    const jump = (/** @type {string[]} */ ids) => this.#jump(ids);
    this.#region("completeness", context.completeness, () => [completenessBanner(context, voice)]);
    this.#region("who", [context.customer, context.match, context.candidates, context.question], () => this.#who());
    this.#region("handoff", [this.#handoff, this.#session], () => this.#handoffPart());
    const why = context.brief?.why_now ?? [];
    const effort = context.brief?.effort;
    this.#region("why", [why, effort && { ...effort, waiting_minutes: 0 }], () => [
      why.length || effort?.contacts ? h("h3", {}, this.#say("brief.why_now")) : null,
      why.length ? h("ul", { class: "lines" }, why.map((it) => briefLine(it, voice, jump))) : null,
      effort ? effortRow(effort, voice) : null,
    ]);
    this.#region("brief", context.brief && [context.brief, context.left_out.brief_older_than], () =>
      context.brief ? [...briefSections(context.brief, voice, jump), this.#summary(context)] : []);
    this.#compare();
    this.#region("compose", [context.customer?.id, Boolean(this.#session && may(this.#session, "touchpoints:write"))], () => this.#compose());
    this.#list();
    voice.times.keep(this.root);
  }

  /** @param {Context} context */
  #summary(context) {
    const older = context.left_out.brief_older_than;
    if (!older && !context.brief.summary) return null;
    const { words, times } = /** @type {Voice} */ (this.#voice);
    return h(
      "div",
      {},
      context.brief.summary ? h("p", {}, said(context.brief.summary.text), h("span", { class: "quiet" }, ` ${words.text("brief.machine", { by: context.brief.summary.by })}`)) : null,
      older ? h("p", { class: "quiet" }, words.nodes("brief.older_than", { at: times.element(older) })) : null,
    );
  }

  #who() {
    const context = /** @type {Context} */ (this.#context);
    const voice = /** @type {Voice} */ (this.#voice);
    const { customer } = context;
    if (!customer) {
      const name = context.match === "several" ? "who.several" : "who.none";
      return [
        h("h2", {}, voice.words.text(name)),
        context.question ? h("p", {}, said(context.question)) : null,
        context.candidates?.length ? this.#choices(context.candidates) : null,
      ];
    }
    const change = this.#session && may(this.#session, "links:write");
    return [
      h("h2", {}, said(nameOf(customer)), h("span", { class: `match ${context.match_assurance ?? ""}` }, context.match_assurance && context.match_assurance !== "verified" ? voice.words.text("who.match", { assurance: voice.words.name("assurance", context.match_assurance) }) : null)),
      identityList(customer, voice),
      customer.candidates.length ? candidateList(customer.candidates, voice, change ? (it, yes) => this.#decide(it, yes) : null) : null,
      warnings(customer, voice),
    ];
  }

  /** Several may be meant: the agent chooses whose story to read. @param {import("./types.js").Candidate[]} candidates */
  #choices(candidates) {
    return h("ul", { class: "candidates" }, candidates.map((it) => h("li", {}, button(it.identity, () => this.#open(it.customer_id)), h("span", { class: "quiet" }, said(it.reason)))));
  }

  /** @param {string} id */
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
      this.#tell("notice", this.#say(yes ? "who.confirmed" : "who.refused"));
    } catch (error) {
      this.#tell("notice", error instanceof Refused ? error.message : this.#say("error.unreachable"));
    }
    this.#again(this.#turn);
  }

  #handoffPart() {
    const handoff = this.#handoff;
    const session = this.#session;
    const voice = /** @type {Voice} */ (this.#voice);
    const { words, times } = voice;
    if (!handoff || !session) return [];
    const owner = handoff.owner ? [" · ", words.text(handoff.owner === agentOf(session) ? "handoff.yours" : "handoff.owner", { who: handoff.owner })] : null;
    return [
      h("p", { class: "handoff-line" }, h("span", { class: `state ${handoff.state}` }, words.name("handoff", handoff.state)), " ", said(partyName(handoff.from)), " → ", said(partyName(handoff.to)), h("span", { class: "quiet" }, owner, " · ", times.element(handoff.requested_at, "ago"))),
      moveButtons(handoff, session, words, (action, reason) => this.#move(action, reason)),
      handoff.hops.length ? h("details", { class: "hops-part" }, h("summary", {}, words.text("hops.title", { count: handoff.hops.length })), hopList(handoff, voice)) : null,
      handoff.snapshot ? button(words.text(this.#snapshot ? "compare.close" : "compare.open"), () => this.#toggleCompare(), { class: "more" }) : null,
    ];
  }

  /** @param {string} action @param {string | null} reason */
  async #move(action, reason) {
    const handoff = this.#handoff;
    if (!handoff || !this.#api) return;
    const { words } = /** @type {Voice} */ (this.#voice);
    const outcome = await move(this.#api, handoff, action, reason, words);
    this.#tell("notice", outcome.message);
    if (outcome.handoff) {
      this.#handoff = outcome.handoff;
      this.#show();
      this.#viewed();
      this.dispatchEvent(new CustomEvent("handoff-changed", { bubbles: true, composed: true, detail: outcome.handoff }));
    }
    this.#again(this.#turn);
  }

  // --- What the owner was shown, and what is known now ---------------------------------------------

  async #toggleCompare() {
    const handoff = this.#handoff;
    if (this.#snapshot || !handoff || !this.#api) {
      this.#snapshot = null;
      this.#filters.only = null;
    } else {
      try {
        this.#snapshot = await this.#api.get(path`/v1/handoffs/${handoff.id}/snapshot`);
      } catch (error) {
        this.#failed(error);
        return;
      }
    }
    this.#shown.delete("handoff");
    this.#show();
  }

  #compare() {
    const handoff = this.#handoff;
    const snapshot = this.#snapshot;
    const news = snapshot && handoff ? newsSince(snapshot, handoff, this.#ordered()) : [];
    this.#region("compare", snapshot && [news.map((it) => it.id), handoff?.snapshot], () => {
      if (!snapshot || !handoff) return [];
      const toggle = () => {
        this.#filters.only = this.#filters.only ? null : new Set(news.map((it) => it.id));
        this.#list();
        return this.#filters.only !== null;
      };
      return [compareSection(handoff, news, /** @type {Voice} */ (this.#voice), (id) => this.#jump([id]), toggle)];
    });
  }

  // --- Timeline ------------------------------------------------------------------------------------

  #list() {
    const context = /** @type {Context} */ (this.#context);
    const { words } = /** @type {Voice} */ (this.#voice);
    const all = this.#ordered();
    const conversations = new Map((context.conversations ?? []).map((it) => [it.id, it]));
    const shown = this.#timeline?.show(all, conversations, this.#filters) ?? 0;
    this.#buildFilters(all);
    this.#tell("counted", shown === all.length ? "" : words.text("filter.counted", { count: shown, all: all.length }));
    this.#region("rest", [this.#older, all.length, context.timeline?.total, context.left_out.below_min_assurance], () => this.#rest(all.length));
  }

  /** @param {number} loaded */
  #rest(loaded) {
    const context = /** @type {Context} */ (this.#context);
    const { words } = /** @type {Voice} */ (this.#voice);
    const total = context.timeline?.total;
    const left = total ? Math.max(total - loaded, 0) : 0;
    const hidden = context.left_out.below_min_assurance;
    return [
      this.#older ? button(left ? words.text("rest.more", { count: left }) : words.text("rest.load"), () => this.#loadOlder()) : h("p", { class: "quiet" }, words.text("rest.none")),
      hidden ? h("p", { class: "quiet" }, words.text("rest.hidden", { count: hidden })) : null,
    ];
  }

  async #loadOlder() {
    const customer = this.#context?.customer;
    const turn = this.#turn;
    if (!customer || !this.#older || !this.#api) return false;
    try {
      const page = await this.#api.get(path`/v1/customers/${customer.id}/timeline`, { cursor: this.#older, limit: PAGE });
      if (turn !== this.#turn) return false;
      this.#timeline?.seen && page.touchpoints.forEach((/** @type {Touchpoint} */ it) => this.#timeline?.seen?.add(it.id));
      for (const it of page.touchpoints) this.#touchpoints.set(it.id, it);
      this.#older = page.next;
      this.#list();
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  /** To the newest of these touchpoints, loading what is older and clearing filters that hide it. @param {string[]} ids */
  async #jump(ids) {
    const id = ids.at(-1);
    if (!id) return;
    for (let pages = 0; !this.#touchpoints.has(id) && pages < 20; pages += 1) if (!(await this.#loadOlder())) break;
    if (this.#timeline?.go(id)) return;
    this.#filters = noFilters();
    this.#shown.delete("filters");
    this.#list();
    if (!this.#timeline?.go(id)) this.#tell("notice", this.#say("error.not_loaded"));
  }

  /** @param {Touchpoint[]} all */
  #buildFilters(all) {
    const { words } = /** @type {Voice} */ (this.#voice);
    const channels = [...new Set(all.map((it) => it.channel))].sort();
    const kinds = [...new Set(all.map((it) => kindOf(it.type)))].sort();
    this.#region("filters", [channels, kinds], () => filterControls(channels, kinds, this.#filters, words, () => this.#list()));
  }

  // --- Adding --------------------------------------------------------------------------------------

  #compose() {
    const voice = /** @type {Voice} */ (this.#voice);
    const { words } = voice;
    if (!this.#context?.customer) return [];
    const summary = () => wrapUpText(/** @type {Context} */ (this.#context), voice);
    const copied = h("span", { class: "quiet", role: "status" });
    const copy = button(words.text("copy.button"), async () => {
      try {
        await navigator.clipboard.writeText(summary());
        copied.textContent = words.text("copy.done");
      } catch {
        copied.textContent = words.text("copy.failed"); // a frame may not be allowed to
      }
    });
    const writing = this.#session && may(this.#session, "touchpoints:write");
    return [
      h("h3", {}, words.text("compose.title")),
      writing ? composer({ voice, summary, add: (kind, text, due, id) => this.#add(kind, text, due, id) }) : null,
      h("p", { class: "moves" }, copy, copied),
    ];
  }

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

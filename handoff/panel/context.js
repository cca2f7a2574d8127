// @ts-check
/**
 * `<handoff-context>`: one customer's full history, live.
 *
 *     <handoff-context server="https://handoff.example.com" handoff="…"></handoff-context>
 *     element.token = "hs_…";
 *
 * Attributes: `handoff`, `customer` or `identity` select the customer; `server`, `language`, `zone`; `theme` and
 * `density` are the style sheet's alone.
 * Events: `handoff-changed` (detail: the handoff), `handoff-token-needed`.
 */

import { path, Refused } from "./data/api.js";
import { agentOf, isExpired, isUnreachable, markViewed, may, mayLink, move } from "./data/handoffs.js";
import { follow } from "./data/live/live.js";
import { touchpointOf } from "./data/notes.js";
import { read, targetOf } from "./data/reading.js";
import { button } from "./dom/dom.js";
import { PanelElement } from "./dom/element.js";
import { Regions } from "./dom/regions.js";
import { wrapUpText } from "./parts/brief.js";
import { SnapshotComparison } from "./parts/compare.js";
import { completenessPart, concerningSources } from "./parts/completeness.js";
import { composePart } from "./parts/compose.js";
import { draftOf } from "./parts/drafts.js";
import { handoffPart } from "./parts/handoff.js";
import { CustomerHistory } from "./parts/history.js";
import { contextLayout, contextPlaces, showConnection } from "./parts/layout.js";
import { customerName } from "./parts/names.js";
import { StoryView } from "./parts/story/view.js";
import { decide, joiningPart, preview, whoPart } from "./parts/who.js";

/** @typedef {import("./data/api.js").Api} Api */
/** @typedef {import("./data/types.js").Context} Context */
/** @typedef {import("./data/types.js").Handoff} Handoff */

const SETTLE_MS = 150; // one reload covers events that arrive together
const RETRY_MS = 3000;
const ANSWERS = new Set(["live", "polling"]); // states in which the server answers
const CLOSED = new Map([["restricted", "story.restricted"], ["customer_erased", "story.erased"], ["erased", "story.erased"]]); // nobody may read on

export class HandoffContext extends PanelElement {
  static observedAttributes = ["handoff", "customer", "identity", "server", "language", "zone"];

  /** @type {import("./data/api.js").Session | null} */ #session = null;
  /** @type {Context | null} */ #context = null;
  /** @type {Handoff | null} */ #handoff = null;
  #comparison = new SnapshotComparison();
  /** @type {StoryView | null} */ #brief = null;
  /** @type {(() => void) | null} */ #unfollow = null;
  /** @type {CustomerHistory | null} */ #history = null;
  /** @type {import("./parts/who.js").Preview | null} */ #joining = null;
  #regions = new Regions({});
  /** @type {Set<"status" | "notice">} texts that go away once the server answers again */ #passing = new Set();
  #refreshing = false;
  /** @type {Set<string>} handoffs whose move is on its way */ #moving = new Set();
  /** @type {number | undefined} */ #settling;

  get sheets() {
    return ["story"];
  }

  stop() {
    super.stop();
    window.clearTimeout(this.#settling);
    this.#unfollow?.();
    this.#unfollow = null;
  }

  /** @param {number} run */
  async start(run) {
    this.#context = null;
    this.#comparison.close();
    this.#joining = null;
    this.#build();
    if (!this.api || !Object.values(targetOf(this)).some(Boolean)) {
      this.#regions.setText("status", this.text(this.api ? "state.nobody" : "state.no_token"));
      return;
    }
    this.#regions.setText("status", this.text("state.loading"));
    await this.#load(run);
  }

  #build() {
    const places = contextPlaces(this.locale);
    this.#regions = new Regions(places);
    this.#history = new CustomerHistory({
      locale: this.locale,
      regions: this.#regions,
      api: () => this.api,
      failed: (error) => this.#failed(error),
      filters: this.#history?.filters,
    });
    this.root.replaceChildren(contextLayout(places, this.#history.view.element, this.locale));
    this.#brief = new StoryView({
      locale: this.locale,
      regions: this.#regions,
      api: () => this.api,
      history: this.#history,
      judged: (text, error) => {
        this.#report("notice", error ? this.reasonOf(error) : text, error);
        this.#refreshSoon(this.run);
      },
    });
  }

  // --- Loading -------------------------------------------------------------------------------------

  /** @param {number} run */
  async #load(run) {
    try {
      await this.#refresh(run);
      if (this.ended(run)) return;
      this.#report("status", "");
      this.#follow(run);
    } catch (error) {
      if (this.ended(run)) return;
      this.#failed(error);
      if (!(error instanceof Refused) || error.status >= 500) {
        this.#settling = window.setTimeout(() => this.#load(run), RETRY_MS);
      }
    }
  }

  /** Read everything again and show it. @param {number} run */
  async #refresh(run) {
    const { session, handoff, context } = await read(/** @type {Api} */ (this.api), targetOf(this));
    if (this.ended(run)) return;
    const before = this.#context;
    if (before && before.customer?.id !== context.customer?.id) this.#reset();
    this.#session = session;
    this.#context = context;
    this.#handoff = handoff;
    this.#history?.take(context);
    this.#show();
    markViewed(/** @type {Api} */ (this.api), this.#handoff, this.#session);
  }

  #reset() {
    this.#comparison.close();
    this.#history?.reset();
  }

  /** Follow events from exactly the state that is shown. @param {number} run */
  #follow(run) {
    const context = this.#context;
    if (!context?.customer || !this.api) return;
    this.#unfollow = follow(this.api, `customer:${context.customer.id}`, context.as_of ?? null, {
      event: (type, data) => {
        if (this.ended(run)) return;
        if (type === "reset") this.#identitiesChanged(data);
        this.#refreshSoon(run);
      },
      state: (state, error) => this.ended(run) || this.#connection(state, error),
      poll: () => this.#refresh(run),
    });
  }

  /** @param {number} run */
  #refreshSoon(run) {
    window.clearTimeout(this.#settling);
    this.#settling = window.setTimeout(async () => {
      if (this.ended(run)) return;
      if (this.#refreshing) {
        this.#refreshSoon(run);
        return;
      }
      this.#refreshing = true;
      try {
        await this.#refresh(run);
      } catch (error) {
        if (!this.ended(run) && error instanceof Refused) this.#failed(error);
        else if (!this.ended(run)) this.#settling = window.setTimeout(() => this.#refreshSoon(run), 1000);
      } finally {
        this.#refreshing = false;
      }
    }, SETTLE_MS);
  }

  /** @param {{reason: string}} data */
  #identitiesChanged(data) {
    this.#reset();
    if (data.reason === "changed") this.#regions.setText("notice", this.text("state.identities_changed"));
  }

  /** @param {import("./data/live/live.js").State} state @param {Error} [error] */
  #connection(state, error) {
    const place = this.#regions.place("connection");
    const before = place.dataset.state;
    showConnection(place, isExpired(error) ? "expired" : state, this.locale.words);
    if (ANSWERS.has(state) && !ANSWERS.has(String(before))) this.#answersAgain();
    if (error) this.#failed(error);
  }

  /** @param {unknown} error */
  #failed(error) {
    const closed = error instanceof Refused ? CLOSED.get(error.code) : undefined;
    if (closed) return this.#close(this.text(closed));
    const unknown = error instanceof Refused && error.status === 404;
    this.#report("status", unknown ? this.text("error.not_found") : this.reasonOf(error), error);
  }

  /** Nobody may read this customer's data any more: show none of it. @param {string} reason */
  #close(reason) {
    this.#unfollow?.();
    this.#unfollow = null;
    this.#build();
    this.#report("status", reason);
  }

  /** Show the outcome of something. @param {"status" | "notice"} place @param {string} text @param {unknown} [error] why it failed */
  #report(place, text, error) {
    this.#regions.setText(place, text);
    if (error && isUnreachable(error)) this.#passing.add(place);
    else this.#passing.delete(place);
  }

  /** The server answers again: remove the texts that deny it. */
  #answersAgain() {
    for (const place of this.#passing) this.#report(place, "");
  }

  // --- Showing -------------------------------------------------------------------------------------

  #show() {
    const context = /** @type {Context} */ (this.#context);
    const { locale } = this;
    const story = /** @type {HTMLElement} */ (this.root.querySelector(".story"));
    story.hidden = false;
    const allowed = (/** @type {string} */ scope) => Boolean(this.#session && may(this.#session, scope));
    const r = this.#regions;
    const agent = this.#session ? agentOf(this.#session) : "";
    r.show("completeness", [context.completeness?.state, concerningSources(context), context.customer?.id, agent], () =>
      completenessPart(context, agent, locale));
    r.show("who", [context.customer, context.match, context.candidates, context.question, this.#joining], () => [
      ...whoPart(context, locale, (id) => this.#open(id), this.#session && mayLink(this.#session) ? (it, yes) => this.#consider(it, yes) : null),
      this.#joining ? joiningPart(this.#joining, locale, () => this.#join(), () => this.#preview(null)) : null,
    ]);
    r.show("handoff", [this.#handoff, this.#session, this.#comparison.isOpen, context.customer?.traits], () => this.#handoffPart());
    this.#brief?.show(context, this.#handoff, this.#session);
    if (this.#history) this.#comparison.show(r, context, this.#handoff, this.#history, locale);
    const writing = allowed("touchpoints:write");
    const issuing = allowed("handoffs:write");
    r.show("compose", [context.customer?.id, writing, issuing], () => {
      const summary = () => wrapUpText(/** @type {Context} */ (this.#context), locale);
      const draft = draftOf(agent, targetOf(this));
      return context.customer ? composePart(locale, draft, summary, writing ? (...given) => this.#add(...given) : null, issuing ? () => this.#issueCode() : null) : [];
    });
    if (this.#history) this.#history.view.separate = this.#session && mayLink(this.#session) ? (id) => this.#separate(id) : null;
    this.#history?.mayReveal(allowed("privacy:reveal"));
    this.#history?.show();
    locale.times.keep(this.root);
  }

  #handoffPart() {
    const handoff = this.#handoff;
    if (!handoff || !this.#session) return [];
    const compare = () => button(this.text(this.#comparison.isOpen ? "compare.close" : "compare.open"), () => this.#toggleCompare(), { class: "more" });
    const act = (/** @type {string} */ action, /** @type {import("./data/handoffs.js").MoveDetails | null} */ details) => this.#move(action, details);
    const customer = this.#context?.customer;
    const who = customer ? customerName(customer, this.locale.words) : undefined;
    return [...handoffPart(handoff, this.#session, this.locale, act, who), handoff.snapshot ? compare() : null];
  }

  // --- The agent's actions -------------------------------------------------------------------------

  /** Show one of several customers that match. @param {string} id */
  #open(id) {
    this.removeAttribute("identity");
    this.removeAttribute("handoff");
    this.setAttribute("customer", id);
  }

  /** Show what would join before it joins. @param {import("./data/types.js").Candidate} candidate @param {boolean} yes */
  async #consider(candidate, yes) {
    const customer = this.#context?.customer;
    if (!customer || !this.api) return;
    if (!yes) return this.#decide(candidate, false);
    try {
      this.#preview(await preview(this.api, customer, candidate, this.text("who.confirm.reason")));
    } catch (error) {
      this.#report("notice", this.reasonOf(error), error);
    }
  }

  /** @param {import("./parts/who.js").Preview | null} shown */
  #preview(shown) {
    this.#joining = shown;
    if (this.#context) this.#show();
  }

  async #join() {
    const candidate = this.#joining?.candidate;
    this.#preview(null);
    if (candidate) await this.#decide(candidate, true);
  }

  /** @param {import("./data/types.js").Candidate} candidate @param {boolean} yes */
  async #decide(candidate, yes) {
    const customer = this.#context?.customer;
    if (!customer || !this.api) return;
    try {
      await decide(this.api, customer, candidate, yes, this.text(yes ? "who.confirm.reason" : "who.refuse.reason"));
      this.#regions.setText("notice", this.text(yes ? "who.confirmed" : "who.refused"));
    } catch (error) {
      this.#report("notice", this.reasonOf(error), error);
    }
    this.#refreshSoon(this.run);
  }

  /** Two acts were shown as one. @param {string} id the copy */
  async #separate(id) {
    if (!this.api) return;
    try {
      await this.api.post(path`/v1/touchpoints/${id}/separate`, { reason: this.text("also.separate.reason") });
      this.#regions.setText("notice", this.text("also.separated"));
    } catch (error) {
      this.#report("notice", this.reasonOf(error), error);
    }
    this.#refreshSoon(this.run);
  }

  /** @param {string} action @param {import("./data/handoffs.js").MoveDetails | null} details */
  async #move(action, details) {
    const handoff = this.#handoff;
    if (!handoff || !this.api || this.#moving.has(handoff.id)) return;
    const { run } = this;
    this.#moving.add(handoff.id);
    this.#report("notice", this.text("move.working"));
    const outcome = await move(this.api, handoff, action, details, this.locale.words);
    this.#moving.delete(handoff.id);
    if (outcome.handoff) this.announce("handoff-changed", outcome.handoff);
    if (this.ended(run) && this.#handoff?.id !== handoff.id) return; // another story is shown
    this.#report("notice", outcome.error ? this.reasonOf(outcome.error) : outcome.message, outcome.error);
    if (outcome.handoff) {
      this.#handoff = outcome.handoff;
      this.#show();
      markViewed(this.api, this.#handoff, this.#session);
    }
    this.#refreshSoon(this.run);
  }

  /** @param {string} kind @param {string} text @param {string | null} due @param {string} id */
  async #add(kind, text, due, id) {
    if (!this.#context || !this.#session || !this.api) return this.text("error.unreachable");
    try {
      await this.api.post("/v1/touchpoints", touchpointOf(this.#context, this.#handoff, this.#session, { kind, text, due, id }));
      this.#refreshSoon(this.run);
      return null;
    } catch (error) {
      return this.reasonOf(error);
    }
  }

  /** A code with which the customer continues on another channel. @type {import("./parts/forms/continuity.js").Issue} */
  async #issueCode() {
    const customer = this.#context?.customer;
    if (!customer || !this.api) return { refused: this.text("error.unreachable") };
    const conversation = this.#handoff?.conversation_id;
    try {
      return { code: await this.api.post(path`/v1/customers/${customer.id}/continuity`, conversation ? { conversation } : {}) };
    } catch (error) {
      return { refused: this.reasonOf(error) };
    }
  }

  async #toggleCompare() {
    if (!this.#handoff || !this.api) return;
    try {
      await this.#comparison.toggle(this.api, this.#handoff, this.#history);
    } catch (error) {
      this.#failed(error);
      return;
    }
    this.#show();
  }
}

customElements.define("handoff-context", HandoffContext);

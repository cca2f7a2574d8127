// @ts-check
/** A customer's history: the timeline, its filters, loading older and newer pages, and jumping to a touchpoint. */

import { path } from "../data/api.js";
import { button, h } from "../dom/dom.js";
import { filterControls, noFilters } from "./filters.js";
import { PAGE, Pages } from "../data/pages.js";
import { TimelineView, kindOf } from "./timeline.js";

/** @typedef {import("../data/types.js").Context} Context */
/** @typedef {import("../data/types.js").Touchpoint} Touchpoint */
/** @typedef {import("./timeline.js").Filters} Filters */

const LEAP = 200; // touchpoints in a page that is read on the way to an older one
const MAX_LEAPS = 60;

/**
 * @typedef {object} HistoryOptions
 * @property {import("../dom/element.js").Locale} locale
 * @property {import("../dom/regions.js").Regions} regions `filters`, `counted`, `newer`, `rest` and `notice`
 * @property {() => import("../data/api.js").Api | null} api
 * @property {(error: unknown) => void} failed
 * @property {Filters} [filters] kept from an earlier history
 */

export class CustomerHistory {
  /** @type {Context | null} */ #context = null;
  #pages = new Pages();

  /** @param {HistoryOptions} options */
  constructor({ locale, regions, api, failed, filters }) {
    this.locale = locale;
    this.regions = regions;
    this.api = api;
    this.failed = failed;
    this.filters = filters ?? noFilters();
    this.filters.only = null;
    this.view = new TimelineView(locale);
    this.#buildFilters([]);
  }

  /** Drop everything loaded: the customer or their identities have changed. */
  reset() {
    this.#pages = new Pages();
    this.filters.only = null;
    this.view.reset();
  }

  /** @param {Context} context */
  take(context) {
    this.#context = context;
    this.#pages.take(context.timeline);
  }

  /** Whether the agent may see masked numbers. @param {boolean} allowed */
  mayReveal(allowed) {
    const reveal = async (/** @type {string} */ id, /** @type {string} */ reason) => this.api()?.post(path`/v1/touchpoints/${id}/reveal`, { reason });
    this.view.reveal = allowed ? (this.view.reveal ?? reveal) : null;
  }

  loaded() {
    return this.#pages.ordered();
  }

  /** Show only these touchpoints; null shows all. @param {Set<string> | null} ids */
  only(ids) {
    this.filters.only = ids;
    this.show();
  }

  show() {
    const { words } = this.locale;
    const context = /** @type {Context} */ (this.#context);
    const all = this.#pages.ordered();
    const conversations = new Map((context.conversations ?? []).map((it) => [it.id, it]));
    const shown = this.view.show(all, conversations, this.filters, context.customer);
    this.#buildFilters(all);
    this.regions.setText("counted", shown === all.length ? "" : words.text("filter.counted", { count: shown, all: all.length }));
    const { evicted, hasOlder } = this.#pages;
    this.regions.show("newer", evicted, () => this.#newer(evicted));
    const copies = all.reduce((sum, it) => sum + (it.also?.length ?? 0), 0);
    const stored = context.timeline?.total ?? null;
    const total = stored === null ? null : stored - copies;
    const hidden = context.left_out.below_min_assurance;
    this.regions.show("rest", [hasOlder, all.length, evicted, total, hidden], () => this.#rest(all.length, total, hidden));
  }

  /** @param {number} evicted */
  #newer(evicted) {
    const { words } = this.locale;
    if (!evicted) return [];
    return [
      button(words.text("rest.newer", { count: evicted }), () => this.#more("newer")),
      button(words.text("rest.newest"), () => this.#newest(), { class: "more" }),
    ];
  }

  /** @param {number} loaded @param {number | null} total @param {number | null | undefined} hidden */
  #rest(loaded, total, hidden) {
    const { words } = this.locale;
    const left = total ? Math.max(total - loaded - this.#pages.evicted, 0) : 0;
    return [
      this.#pages.hasOlder
        ? button(left ? words.text("rest.more", { count: left }) : words.text("rest.load"), () => this.#more("older"))
        : h("p", { class: "quiet" }, words.text("rest.none")),
      hidden ? h("p", { class: "quiet" }, words.text("rest.hidden", { count: hidden })) : null,
    ];
  }

  /** @param {"older" | "newer"} direction @returns {Promise<boolean>} whether there was more */
  async #more(direction) {
    const found = await this.#load(direction, PAGE);
    if (found) this.show();
    return found;
  }

  /** @param {"older" | "newer"} direction @param {number} limit @returns {Promise<boolean>} whether there was more */
  async #load(direction, limit) {
    const pages = this.#pages;
    const customer = this.#context?.customer;
    const api = this.api();
    if (!customer || !api) return false;
    const read = (/** @type {string | null} */ cursor) =>
      api.get(path`/v1/customers/${customer.id}/timeline`, { cursor: cursor ?? undefined, limit });
    try {
      const found = await pages[direction](read);
      if (pages !== this.#pages || !found) return false;
      for (const it of found) this.view.seen?.add(it.id);
      return true;
    } catch (error) {
      this.failed(error);
      return false;
    }
  }

  /** Return to the newest page, from the context. */
  #newest() {
    this.#pages = new Pages();
    this.#pages.take(this.#context?.timeline);
    for (const it of this.#pages.ordered()) this.view.seen?.add(it.id);
    this.show();
  }

  /** Jump to the newest of these touchpoints. Loads older pages and clears filters as needed. @param {string[]} ids */
  async jump(ids) {
    const id = ids.at(-1);
    if (!id) return;
    await this.#reach(() => this.#pages.has(id));
    if (this.view.go(id)) return;
    this.#unfilter();
    if (!this.view.go(id)) this.regions.setText("notice", this.locale.words.text("error.not_loaded"));
  }

  /** Jump to the newest touchpoint of a day, or of the closest day before it. @param {string} day `2026-11-21` in the agent's zone */
  async jumpTo(day) {
    const { times } = this.locale;
    const oldest = () => this.#pages.ordered().at(-1);
    await this.#reach(() => times.dayKey(oldest()?.occurred_at ?? "1970-01-01T00:00:00Z") < day);
    this.#unfilter();
    const id = this.view.entryOn(day) ?? oldest()?.id;
    if (id) this.view.go(id);
  }

  /** Load older pages until something is loaded. @param {() => boolean} reached */
  async #reach(reached) {
    if (reached()) return;
    if (this.#pages.evicted) this.#newest();
    for (let leaps = 0; !reached() && leaps < MAX_LEAPS; leaps += 1) if (!(await this.#load("older", LEAP))) break;
    this.show();
  }

  #unfilter() {
    this.filters = noFilters();
    this.regions.invalidate("filters");
    this.show();
  }

  /** @param {Touchpoint[]} all */
  #buildFilters(all) {
    const channels = [...new Set(all.map((it) => it.channel))].sort();
    const kinds = [...new Set(all.map((it) => kindOf(it.type)))].sort();
    this.regions.show("filters", [channels, kinds], () => filterControls(channels, kinds, this.filters, this.locale.words, { changed: () => this.show(), toDay: (day) => this.jumpTo(day) }));
  }
}

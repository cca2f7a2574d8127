// @ts-check
/** The timeline with all around it: filters, what is older and newer, and the way to one touchpoint. */

import { path } from "./api.js";
import { button, h } from "./dom.js";
import { filterControls, noFilters } from "./filters.js";
import { PAGE, Pages } from "./pages.js";
import { TimelineView, kindOf } from "./timeline.js";

/** @typedef {import("./types.js").Context} Context */
/** @typedef {import("./types.js").Touchpoint} Touchpoint */
/** @typedef {import("./timeline.js").Filters} Filters */

const FARTHEST = 20; // pages that are loaded to get to a touchpoint

/**
 * @typedef {object} Desk what a story needs of the element around it
 * @property {import("./brief.js").Voice} voice
 * @property {import("./regions.js").Regions} regions `filters`, `counted`, `newer`, `rest` and `notice`
 * @property {() => import("./api.js").Api | null} api
 * @property {(error: unknown) => void} failed
 * @property {Filters} [filters] those of before
 */

export class Story {
  /** @type {Context | null} */ #context = null;
  #pages = new Pages();

  /** @param {Desk} desk */
  constructor({ voice, regions, api, failed, filters }) {
    this.voice = voice;
    this.regions = regions;
    this.api = api;
    this.failed = failed;
    this.filters = filters ?? noFilters();
    this.filters.only = null;
    this.view = new TimelineView(voice);
    this.#buildFilters([]);
  }

  /** It is about somebody else from now on, or about the same person made of other identities. */
  forget() {
    this.#pages = new Pages();
    this.filters.only = null;
    this.view.seen = undefined;
  }

  /** @param {Context} context */
  take(context) {
    this.#context = context;
    this.#pages.take(context.timeline);
  }

  loaded() {
    return this.#pages.ordered();
  }

  /** Show these alone, or all again. @param {Set<string> | null} ids */
  only(ids) {
    this.filters.only = ids;
    this.show();
  }

  show() {
    const { words } = this.voice;
    const context = /** @type {Context} */ (this.#context);
    const all = this.#pages.ordered();
    const conversations = new Map((context.conversations ?? []).map((it) => [it.id, it]));
    const shown = this.view.show(all, conversations, this.filters);
    this.#buildFilters(all);
    this.regions.tell("counted", shown === all.length ? "" : words.text("filter.counted", { count: shown, all: all.length }));
    const { away, hasOlder } = this.#pages;
    this.regions.show("newer", away, () => this.#newer(away));
    const total = context.timeline?.total ?? null;
    const hidden = context.left_out.below_min_assurance;
    this.regions.show("rest", [hasOlder, all.length, away, total, hidden], () => this.#rest(all.length, total, hidden));
  }

  /** @param {number} away */
  #newer(away) {
    const { words } = this.voice;
    if (!away) return [];
    return [
      button(words.text("rest.newer", { count: away }), () => this.#more("newer")),
      button(words.text("rest.newest"), () => this.#newest(), { class: "more" }),
    ];
  }

  /** @param {number} loaded @param {number | null} total @param {number | null | undefined} hidden */
  #rest(loaded, total, hidden) {
    const { words } = this.voice;
    const left = total ? Math.max(total - loaded - this.#pages.away, 0) : 0;
    return [
      this.#pages.hasOlder
        ? button(left ? words.text("rest.more", { count: left }) : words.text("rest.load"), () => this.#more("older"))
        : h("p", { class: "quiet" }, words.text("rest.none")),
      hidden ? h("p", { class: "quiet" }, words.text("rest.hidden", { count: hidden })) : null,
    ];
  }

  /** @param {"older" | "newer"} way @returns {Promise<boolean>} whether there was more */
  async #more(way) {
    const pages = this.#pages;
    const customer = this.#context?.customer;
    const api = this.api();
    if (!customer || !api) return false;
    const read = (/** @type {string | null} */ cursor) =>
      api.get(path`/v1/customers/${customer.id}/timeline`, { cursor: cursor ?? undefined, limit: PAGE });
    try {
      const found = await pages[way](read);
      if (pages !== this.#pages || !found) return false;
      for (const it of found) this.view.seen?.add(it.id);
      this.show();
      return true;
    } catch (error) {
      this.failed(error);
      return false;
    }
  }

  /** Back to the newest page, as the context has it. */
  #newest() {
    this.#pages = new Pages();
    this.#pages.take(this.#context?.timeline);
    for (const it of this.#pages.ordered()) this.view.seen?.add(it.id);
    this.show();
  }

  /** To the newest of these touchpoints, loading what is older and clearing filters that hide it. @param {string[]} ids */
  async jump(ids) {
    const id = ids.at(-1);
    if (!id) return;
    if (!this.#pages.has(id) && this.#pages.away) this.#newest();
    for (let pages = 0; !this.#pages.has(id) && pages < FARTHEST; pages += 1) if (!(await this.#more("older"))) break;
    if (this.view.go(id)) return;
    this.filters = noFilters();
    this.regions.forget("filters");
    this.show();
    if (!this.view.go(id)) this.regions.tell("notice", this.voice.words.text("error.not_loaded"));
  }

  /** @param {Touchpoint[]} all */
  #buildFilters(all) {
    const channels = [...new Set(all.map((it) => it.channel))].sort();
    const kinds = [...new Set(all.map((it) => kindOf(it.type)))].sort();
    this.regions.show("filters", [channels, kinds], () => filterControls(channels, kinds, this.filters, this.voice.words, () => this.show()));
  }
}

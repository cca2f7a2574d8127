// @ts-check
/** `<ops-quarantine source>`: items that could not be read: look, try, replay and dismiss, also many at once. */

import { path } from "../data/api.js";
import { button, h, handle, userText } from "../dom/dom.js";
import { OpsSection, stored } from "./section.js";

/** @typedef {import("../data/types.js").Schemas} Schemas */
/** @typedef {Schemas["QuarantinedItem"]} Item */
/** @typedef {Schemas["QuarantinedContent"]} Content */
/** @typedef {Schemas["Trial"]} Trial */
/** @typedef {import("../data/api.js").Api} Api */

const PAGE = 50;

export class OpsQuarantine extends OpsSection {
  static observedAttributes = ["language", "zone", "source"];

  /** @type {Set<string>} */ #picked = new Set();
  /** @type {Map<string, Content>} */ #contents = new Map();
  /** @type {Map<string, Trial>} */ #trials = new Map();
  /** @type {Schemas["QuarantineList"] | null} */ #page = null;
  #limit = PAGE;

  /** Another source needs no new section: the filter keeps the focus. @param {string} name @param {string | null} before @param {string | null} after */
  attributeChangedCallback(name, before, after) {
    if (name !== "source" || !this.#page) super.attributeChangedCallback(name, before, after);
    else if (before !== after) this.turn(this.run);
  }

  get heading() {
    return "quarantine.title";
  }

  get #source() {
    return this.getAttribute("source") ?? "";
  }

  places() {
    return { filter: h("div", { class: "acts bulk" }), bulk: h("div", { class: "acts bulk" }), list: h("div", {}) };
  }

  /** @param {Api} api @param {number} run */
  async refresh(api, run) {
    const source = this.#source;
    const [page, { sources }] = await Promise.all([
      api.get("/v1/quarantine", { limit: this.#limit, source: source || undefined }),
      api.get("/v1/sources"),
    ]);
    if (this.ended(run) || source !== this.#source) return;
    const there = new Set(page.items.map((/** @type {Item} */ it) => it.id));
    for (const known of [this.#picked, this.#contents, this.#trials]) for (const id of known.keys()) if (!there.has(id)) known.delete(id);
    this.#page = page;
    this.#show(page, sources.map((/** @type {Schemas["Source"]} */ it) => it.name));
  }

  /** @param {Schemas["QuarantineList"]} page @param {string[]} sources */
  #show(page, sources) {
    const names = this.#source && !sources.includes(this.#source) ? [...sources, this.#source] : sources;
    this.regions.show("filter", names, () => [this.#filter(names)]);
    const select = /** @type {HTMLSelectElement} */ (this.regions.place("filter").querySelector("select"));
    select.value = this.#source;
    this.#showBulk();
    const state = [page, [...this.#contents.keys()], [...this.#trials]];
    this.regions.show("list", state, () => [
      page.items.length
        ? h("ul", { class: "items" }, page.items.map((it) => this.#item(it)))
        : h("p", { class: "quiet" }, this.m("quarantine.empty")),
      page.next
        ? h("div", { class: "acts" }, h("p", { class: "quiet" }, this.m("shown", { shown: page.returned, total: page.total })), button(this.m("more"), () => this.#more()))
        : null,
    ]);
  }

  /** @param {string[]} names */
  #filter(names) {
    const select = h("select", { id: "source" }, h("option", { value: "" }, this.m("quarantine.all")), names.map((name) => h("option", { value: name }, name)));
    select.addEventListener("change", () => {
      this.#limit = PAGE;
      this.#picked.clear();
      this.announce("ops-go", { section: "quarantine", source: select.value });
    });
    return h("label", { class: "pick" }, this.m("quarantine.source"), select);
  }

  /** The actions on what is selected. */
  #showBulk() {
    const page = this.#page;
    if (page) this.regions.show("bulk", [page.total, page.items, [...this.#picked], this.#source], () => this.#bulk(page));
  }

  /** @param {string[]} ids @param {boolean} picked */
  #pick(ids, picked) {
    for (const id of ids) if (picked) this.#picked.add(id);
    else this.#picked.delete(id);
    for (const box of this.regions.place("list").querySelectorAll("input")) box.checked = this.#picked.has(String(box.dataset.id));
    this.#showBulk();
  }

  /** @param {Schemas["QuarantineList"]} page */
  #bulk(page) {
    if (!page.items.length) return [];
    const ids = page.items.map((it) => it.id);
    const all = ids.every((id) => this.#picked.has(id));
    const count = this.#picked.size;
    const pick = h("input", { type: "checkbox", checked: all, "aria-label": this.m("quarantine.pick_all") });
    pick.addEventListener("change", () => this.#pick(ids, pick.checked));
    return [
      h("label", { class: "pick" }, pick, this.m("quarantine.pick_all")),
      count ? button(this.m("quarantine.replay_picked", { count }), () => this.#replay([...this.#picked])) : null,
      count ? this.confirmed(this.m("quarantine.dismiss_picked", { count }), this.m("quarantine.dismiss_picked", { count }), () => this.#dismiss([...this.#picked])) : null,
      this.#source ? button(this.m("quarantine.replay_source", { source: this.#source, count: page.total }), () => this.#replaySource()) : null,
    ];
  }

  /** @param {Item} it */
  #item(it) {
    const content = this.#contents.get(it.id);
    const trial = this.#trials.get(it.id);
    const pick = h("input", { type: "checkbox", "data-id": it.id, checked: this.#picked.has(it.id), "aria-label": this.m("quarantine.pick", { id: it.id }) });
    pick.addEventListener("change", () => this.#pick([it.id], pick.checked));
    /** @param {string} key @param {() => void} act */
    const named = (key, act) => button(this.m(key), act, { "aria-label": `${this.m(key)}: ${it.id}` });
    return h("li", { class: "item", "data-id": it.id },
      h("div", { class: "title" }, h("label", { class: "pick" }, pick), h("h3", {}, userText(it.source)), h("span", { class: "badge warn" }, it.code), this.time(it.received_at)),
      h("p", { class: "text" }, userText(it.detail)),
      h("p", { class: "quiet" }, h("code", {}, it.id), " · ", this.m("bytes", { count: it.size })),
      h("div", { class: "acts" },
        named(content ? "quarantine.hide" : "quarantine.look", () => this.#look(it.id)),
        named("quarantine.try", () => this.#try(it.id)),
        named("quarantine.replay", () => this.#replay([it.id])),
        this.confirmed(this.m("quarantine.dismiss"), `${this.m("quarantine.dismiss")}: ${it.id}`, () => this.#dismiss([it.id])),
      ),
      trial ? this.#trial(trial) : null,
      content ? this.#content(content) : null,
    );
  }

  /** @param {Trial} trial */
  #trial(trial) {
    return h("div", { class: trial.readable ? "trial" : "trial why" },
      h("p", {}, trial.readable ? this.m("trial.readable", { count: trial.count }) : this.m("trial.unreadable"), " ", trial.code ? h("bdi", {}, `${trial.code}: ${trial.detail ?? ""}`) : null),
      h("ul", {}, trial.touchpoints.map((it) => h("li", {}, this.time(it.occurred_at, "short"), " ", it.channel, " ", it.type, " ", h("code", {}, handle(it.id))))),
    );
  }

  /** @param {Content} content */
  #content(content) {
    return h("div", {},
      h("p", { class: "quiet" }, h("bdi", {}, `${content.method} ${content.path || "/"} ${content.content_type}`), content.complete ? null : ` · ${this.m("quarantine.incomplete")}`),
      content.text === null ? h("p", {}, this.m("quarantine.binary")) : h("pre", { tabindex: "0", role: "group", "aria-label": this.m("quarantine.content") }, stored(content.text)),
    );
  }

  #more() {
    this.#limit = Math.min(this.#limit + PAGE, 500);
    this.turn(this.run);
  }

  /** @param {string} id */
  async #look(id) {
    if (this.#contents.delete(id)) {
      await this.turn(this.run);
      return;
    }
    await this.act(`look:${id}`, async (api) => {
      this.#contents.set(id, await api.get(path`/v1/quarantine/${id}`));
      return "";
    });
  }

  /** @param {string} id */
  #try(id) {
    return this.act(`try:${id}`, async (api) => {
      const trial = /** @type {Trial} */ (await api.post(path`/v1/quarantine/${id}/try`, {}));
      this.#trials.set(id, trial);
      return trial.readable ? this.m("trial.readable", { count: trial.count }) : this.m("trial.unreadable");
    });
  }

  /** @param {string[]} ids */
  #replay(ids) {
    return this.act(`replay:${ids}`, async (api) => {
      let replayed = 0;
      let failed = 0;
      for (let at = 0; at < ids.length; at += 100) {
        const done = await api.post("/v1/quarantine/replay", { ids: ids.slice(at, at + 100) });
        replayed += done.replayed;
        failed += done.failed.length;
      }
      return this.#outcome(replayed, failed);
    });
  }

  #replaySource() {
    const source = this.#source;
    return this.act(`replay:${source}`, async (api) => {
      let replayed = 0;
      let failed = 0;
      for (let cursor = undefined, first = true; first || cursor; first = false) {
        const done = /** @type {Schemas["ManyReplayed"]} */ (await api.post("/v1/quarantine/replay", { source, cursor }));
        replayed += done.replayed;
        failed += done.failed.length;
        cursor = done.next ?? undefined;
      }
      return this.#outcome(replayed, failed);
    });
  }

  /** @param {number} replayed @param {number} failed */
  #outcome(replayed, failed) {
    return failed ? this.m("quarantine.partly", { replayed, failed }) : this.m("quarantine.replayed", { count: replayed });
  }

  /** @param {string[]} ids */
  #dismiss(ids) {
    return this.act(`dismiss:${ids}`, async (api) => {
      let count = 0;
      for (let at = 0; at < ids.length; at += 100) count += (await api.post("/v1/quarantine/dismiss", { ids: ids.slice(at, at + 100) })).dismissed;
      return this.m("quarantine.dismissed", { count });
    });
  }
}

customElements.define("ops-quarantine", OpsQuarantine);

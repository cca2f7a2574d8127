// @ts-check
/** `<ops-sources>`: what each source delivers, and why its deliveries are refused. */

import { path } from "../data/api.js";
import { button, h, handle, userText } from "../dom/dom.js";
import { OpsSection } from "./section.js";

/** @typedef {import("../data/types.js").Schemas} Schemas */
/** @typedef {Schemas["Source"]} Source */
/** @typedef {Schemas["Refusal"]} Refusal */

export class OpsSources extends OpsSection {
  /** @type {Map<string, Refusal[]>} refusals of the sources that are open */ #open = new Map();

  get heading() {
    return "sources.title";
  }

  /** @param {import("../data/api.js").Api} api @param {number} run */
  async refresh(api, run) {
    const [list, ...details] = await Promise.all([
      api.get("/v1/sources"),
      ...[...this.#open.keys()].map((name) => this.known(api.get(path`/v1/sources/${name}`), () => this.#open.delete(name))),
    ]);
    if (this.ended(run)) return;
    for (const it of details) if (it && this.#open.has(it.name)) this.#open.set(it.name, it.refusals);
    this.regions.show("list", [list, [...this.#open]], () => [
      list.sources.length
        ? h("ul", { class: "items" }, list.sources.map((/** @type {Source} */ it) => this.#source(it)))
        : h("p", { class: "quiet" }, this.m("sources.none")),
    ]);
  }

  /** @param {Source} it */
  #source(it) {
    const hour = it.last_hour;
    const bad = hour.refused > 0 || it.late;
    const open = this.#open.get(it.name);
    const refusals = open ?? (it.last_refusal ? [it.last_refusal] : []);
    return h("li", { class: `item ${bad ? "bad" : it.quarantined ? "warn" : ""}`, "data-name": it.name },
      h("div", { class: "title" },
        h("h3", {}, userText(it.name)),
        h("span", { class: "quiet" }, it.adapter),
        it.late ? h("span", { class: "badge bad" }, this.m("sources.late")) : null,
        it.authenticated ? null : h("span", { class: "badge warn" }, this.m("sources.open")),
      ),
      this.facts([
        ["sources.last_heard", this.time(it.last_heard) ?? this.m("sources.never")],
        ["sources.rate", this.number(it.per_minute)],
        ["sources.accepted", this.number(hour.accepted)],
        ["sources.duplicates", this.number(hour.duplicates)],
        ["sources.refused", this.number(hour.refused)],
        ["sources.quarantined", it.quarantined
          ? h("a", { href: this.#quarantine(it.name), "aria-label": this.m("sources.quarantined.of", { source: it.name, count: it.quarantined }) }, this.number(it.quarantined))
          : this.number(0)],
        ["sources.url", it.url ? h("code", {}, handle(it.url)) : null],
      ]),
      refusals.length ? h("ul", { class: "why", "aria-label": this.m("refused.title") }, refusals.map((each) => this.#refusal(each))) : null,
      it.last_refusal && !open
        ? h("div", { class: "acts" }, button(this.m("refused.all"), () => this.#show(it.name), { "aria-label": this.m("refused.all.of", { source: it.name }) }))
        : null,
    );
  }

  /** The address of a source's quarantine. @param {string} source */
  #quarantine(source) {
    const kept = ["language", "zone"].map((name) => [name, this.getAttribute(name) ?? ""]).filter(([, value]) => value);
    return `#${new URLSearchParams([["section", "quarantine"], ["source", source], ...kept])}`;
  }

  /** @param {Refusal} it */
  #refusal(it) {
    return h("li", {},
      h("p", {}, h("strong", {}, it.detail || it.code), " · ", this.m("refused.times", { count: it.count }), " · ", this.time(it.last_at)),
      it.signed_url ? h("p", {}, this.m("refused.signed"), " ", h("code", {}, handle(it.signed_url))) : null,
      it.signed_url ? h("p", {}, this.m("refused.compare")) : null,
    );
  }

  /** @param {string} name */
  #show(name) {
    this.#open.set(name, []);
    this.turn(this.run);
  }
}

customElements.define("ops-sources", OpsSources);

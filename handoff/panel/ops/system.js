// @ts-check
/** `<ops-system>`: store, lag, workers, leases, and the configuration as loaded. */

import { h, userText } from "../dom/dom.js";
import { OpsSection } from "./section.js";

/** @typedef {import("../data/types.js").Schemas} Schemas */
/** @typedef {Schemas["ServerStatus"]} ServerStatus */
/** @typedef {import("../data/api.js").Api} Api */

const LATE_S = 5; // contexts are degraded above it

export class OpsSystem extends OpsSection {
  get heading() {
    return "system.title";
  }

  places() {
    return { list: h("div", {}), configuration: h("div", {}) };
  }

  /** @param {Api} api @param {number} run */
  async refresh(api, run) {
    const [status, { sections }] = await Promise.all([api.get("/v1/status"), api.get("/v1/configuration")]);
    if (this.ended(run)) return;
    this.regions.show("list", status, () => [
      h("ul", { class: "items" }, this.#store(status), this.#lag(status), this.#workers(status), this.#webhooks(status)),
    ]);
    this.regions.show("configuration", sections, () => [
      h("div", { class: "head" }, h("h2", {}, this.m("configuration.title"))),
      h("p", { class: "quiet" }, this.m("configuration.hint")),
      h("pre", { tabindex: "0", role: "group", "aria-label": this.m("configuration.title") }, JSON.stringify(sections, null, 2)),
    ]);
  }

  /** @param {string} key @param {string | null} problem @param {import("../dom/dom.js").Child[]} content */
  #item(key, problem, ...content) {
    return h("li", { class: `item ${problem ? "bad" : ""}` },
      h("div", { class: "title" }, h("h3", {}, this.m(key)), h("span", { class: `badge ${problem ? "bad" : "good"}` }, problem ?? this.m("system.ok"))),
      ...content,
    );
  }

  /** @param {ServerStatus} it */
  #store({ store, problem, release }) {
    const share = store.memory_share === null ? null : `${this.number(store.memory_share * 100)} %`;
    return this.#item("system.store", problem, this.facts([
      ["system.kind", this.m(store.embedded ? "system.embedded" : "system.external")],
      ["system.durability", store.durability],
      ["system.memory", share],
      ["system.format", this.number(store.format)],
      ["system.partitions", this.number(store.partitions)],
      ["system.release", release],
    ]));
  }

  /** @param {ServerStatus} it */
  #lag({ lag, leases }) {
    const late = lag.behind_s > LATE_S ? this.m("system.behind") : null;
    return this.#item("system.lag", late, this.facts([
      ["system.behind_s", `${this.number(lag.behind_s)} s`],
      ["system.backlog_s", `${this.number(lag.backlog_s)} s`],
      ["system.leases", h("ul", {}, leases.holders.map((it) => h("li", {}, h("code", {}, it.owner), ` ${this.number(it.outboxes)}`)))],
      ["system.free", this.number(leases.free)],
    ]));
  }

  /** @param {ServerStatus} it */
  #workers({ workers }) {
    return this.#item("system.workers", workers.length ? null : this.m("system.none"), this.facts(
      workers.map((it) => ["system.worker", [userText(`${it.host} · ${it.pid}`), ` · ${it.release}`]]),
    ));
  }

  /** @param {ServerStatus} it */
  #webhooks({ webhooks }) {
    const bad = webhooks.failing || webhooks.disabled ? this.m("webhooks.failing") : null;
    return this.#item("webhooks.title", bad, this.facts([
      ["system.subscriptions", this.number(webhooks.subscriptions)],
      ["webhooks.pending", this.number(webhooks.pending)],
      ["webhooks.dead", this.number(webhooks.dead)],
      ["system.failing", this.number(webhooks.failing)],
      ["system.disabled", this.number(webhooks.disabled)],
    ]));
  }
}

customElements.define("ops-system", OpsSystem);

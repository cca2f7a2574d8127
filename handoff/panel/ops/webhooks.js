// @ts-check
/** `<ops-webhooks>`: subscriptions with their messages, attempts, dead letters, and replay. */

import { path } from "../data/api.js";
import { button, h, handle, userText } from "../dom/dom.js";
import { OpsSection, stored } from "./section.js";

/** @typedef {import("../data/types.js").Schemas} Schemas */
/** @typedef {Schemas["Webhook"]} Webhook */
/** @typedef {Schemas["Delivery"]} Delivery */
/** @typedef {import("../data/api.js").Api} Api */
/** @typedef {{dead: boolean, page: Schemas["DeliveryList"] | null}} Opened the messages that are shown */

const DAY_MS = 86_400_000;

export class OpsWebhooks extends OpsSection {
  /** @type {Map<string, Opened>} by subscription */ #open = new Map();

  get heading() {
    return "webhooks.title";
  }

  /** @param {Api} api @param {number} run */
  async refresh(api, run) {
    const ids = [...this.#open.keys()];
    const [list, ...pages] = await Promise.all([
      api.get("/v1/webhooks", { limit: 200 }),
      ...ids.map((id) => this.known(
        api.get(path`/v1/webhooks/${id}/deliveries`, { limit: 20, state: this.#open.get(id)?.dead ? "dead" : undefined }),
        () => this.#open.delete(id),
      )),
    ]);
    if (this.ended(run)) return;
    ids.forEach((id, at) => {
      const opened = this.#open.get(id);
      if (opened) opened.page = pages[at];
    });
    this.regions.show("list", [list, [...this.#open]], () => [
      list.webhooks.length
        ? h("ul", { class: "items" }, list.webhooks.map((/** @type {Webhook} */ it) => this.#webhook(it)))
        : h("p", { class: "quiet" }, this.m("webhooks.none")),
      list.next ? h("p", { class: "quiet" }, this.m("shown", { shown: list.returned, total: list.total })) : null,
    ]);
  }

  /** @param {Webhook} it */
  #webhook(it) {
    const { status } = it;
    const opened = this.#open.get(it.id);
    const name = it.name ?? it.url;
    const failing = status.failing_since !== null;
    /** @param {string} key @param {() => void} act */
    const named = (key, act) => button(this.m(key), act, { "aria-label": `${this.m(key)}: ${name}` });
    return h("li", { class: `item ${failing || !it.enabled ? "bad" : ""}`, "data-id": it.id },
      h("div", { class: "title" },
        h("h3", {}, userText(name)),
        h("span", { class: `badge ${it.enabled ? "good" : "bad"}` }, this.m(it.enabled ? "webhooks.on" : "webhooks.off")),
        failing ? h("span", { class: "badge bad" }, this.m("webhooks.failing"), " ", this.time(status.failing_since)) : null,
      ),
      h("p", { class: "quiet" }, h("code", {}, handle(it.url)), " · ", h("code", {}, it.id)),
      this.facts([
        ["webhooks.types", it.types.join(", ")],
        ["webhooks.delivered", this.number(status.delivered)],
        ["webhooks.pending", this.number(status.pending)],
        ["webhooks.dead", this.number(status.dead)],
        ["webhooks.oldest", this.time(status.oldest_pending_at)],
        ["webhooks.success", this.time(status.last_success_at)],
        ["webhooks.reason", it.disabled_reason],
      ]),
      h("div", { class: "acts" },
        named(opened && !opened.dead ? "webhooks.hide" : "webhooks.messages", () => this.#toggle(it.id, false)),
        named(opened?.dead ? "webhooks.hide" : "webhooks.dead_letters", () => this.#toggle(it.id, true)),
        named("webhooks.replay_failed", () => this.#replaySince(it.id)),
      ),
      opened?.page ? this.#messages(it, opened.page) : null,
    );
  }

  /** @param {Webhook} webhook @param {Schemas["DeliveryList"]} page */
  #messages(webhook, page) {
    if (!page.deliveries.length) return h("p", { class: "quiet" }, this.m("webhooks.no_messages"));
    return h("div", {},
      h("ul", { class: "items" }, page.deliveries.map((it) => this.#message(webhook, it))),
      page.next ? h("p", { class: "quiet" }, this.m("shown", { shown: page.returned, total: page.total })) : null,
    );
  }

  /** @param {Webhook} webhook @param {Delivery} it */
  #message(webhook, it) {
    const tone = { delivered: "good", dead: "bad" }[it.state] ?? "";
    return h("li", { class: "item", "data-id": it.id },
      h("div", { class: "title" },
        h("strong", {}, it.type),
        h("span", { class: `badge ${tone}` }, it.state),
        this.time(it.created_at),
        h("span", { class: "quiet" }, this.m("webhooks.attempts", { count: it.attempts_total })),
      ),
      h("p", { class: "quiet" }, h("code", {}, it.id), it.reason ? ` · ${it.reason}` : null),
      it.attempts.map((each) => h("div", { class: "attempt" },
        this.time(each.at, "short"), " · ", h("strong", {}, String(each.status ?? each.error ?? "")), ` · ${Math.round(each.latency_ms)} ms`,
        each.answer ? h("div", { class: "quiet" }, stored(each.answer)) : null,
      )),
      h("div", { class: "acts" }, button(this.m("webhooks.replay"), () => this.#replay(webhook.id, { id: it.id }), { "aria-label": `${this.m("webhooks.replay")}: ${it.id}` })),
    );
  }

  /** @param {string} id @param {boolean} dead */
  #toggle(id, dead) {
    if (this.#open.get(id)?.dead === dead) this.#open.delete(id);
    else this.#open.set(id, { dead, page: null });
    this.turn(this.run);
  }

  /** @param {string} id */
  #replaySince(id) {
    return this.#replay(id, { since: new Date(Date.now() - DAY_MS).toISOString(), only_failed: true });
  }

  /** @param {string} id @param {Record<string, unknown>} body */
  #replay(id, body) {
    return this.act(`replay:${id}:${body.id ?? ""}`, async (api) => {
      let count = 0;
      for (let next = body; ; ) {
        const done = /** @type {Schemas["Replayed"]} */ (await api.post(path`/v1/webhooks/${id}/replay`, next));
        count += done.queued;
        if (!done.next) return this.m("webhooks.queued", { count });
        next = { ...body, since: done.next };
      }
    });
  }
}

customElements.define("ops-webhooks", OpsWebhooks);

// @ts-check
/** The handoffs that a queue knows: those that the server listed, with every change since. */

import { isListed, isPending } from "./handoffs.js";

/** @typedef {import("./types.js").Handoff} Handoff */
/** @typedef {Record<string, string>} Query of a list of the server */

export const LISTED = 200; // handoffs of one state that the server lists
const FEW = 50; // of a list that was cut: the rest is read while agents still have work

export class WaitingHandoffs {
  /** @type {Map<string, Handoff>} */ #handoffs = new Map();
  /** @type {Set<string>} lists that were read once: their first handoffs make no sound */ #read = new Set();
  /** @type {Map<string, Query>} lists with more waiting handoffs than the server listed */ #cut = new Map();

  clear() {
    this.#handoffs.clear();
    this.#read.clear();
    this.#cut.clear();
  }

  get all() {
    return [...this.#handoffs.values()];
  }

  /** @param {string} id */
  get(id) {
    return this.#handoffs.get(id);
  }

  /** Whether the server has more than it listed. */
  get cut() {
    return this.#cut.size > 0;
  }

  /** The cut lists of which few handoffs are left. @returns {Query[]} */
  get short() {
    const left = (/** @type {Query} */ query) => this.all.filter((it) => isPending(it) && isListed(it, query)).length;
    return [...this.#cut.values()].filter((query) => left(query) < FEW);
  }

  /** Keep the newest version. Returns whether the handoff is newly waiting. @param {Handoff} it */
  take(it) {
    const known = this.#handoffs.get(it.id);
    if (known && known.version > it.version) return false;
    this.#handoffs.set(it.id, it);
    return isPending(it) && !(known && isPending(known));
  }

  /**
   * Take a list: a handoff missing from it has ended, or is beyond its end. Returns whether an agent should hear of
   * new ones.
   * @param {{handoffs: Handoff[], more?: boolean}} given @param {Query} query
   */
  takeList({ handoffs, more }, query) {
    const there = new Set(handoffs.map((it) => it.id));
    for (const it of this.all) if (isListed(it, query) && !there.has(it.id)) this.#handoffs.delete(it.id);
    const fresh = handoffs.filter((it) => this.take(it)); // take every one, even after a first new one
    const list = JSON.stringify(query);
    const heard = fresh.length > 0 && this.#read.has(list);
    this.#read.add(list);
    if (more && handoffs.filter(isPending).length >= LISTED) this.#cut.set(list, query);
    else this.#cut.delete(list);
    return heard;
  }

  /**
   * The agent's work: their own handoffs, those for them alone, and all others that wait. A handoff that moved on
   * to a queue that nobody follows here is left out.
   * @param {string} me @param {string[]} queues those that are followed; empty: all
   * @returns {{mine: Handoff[], offered: Handoff[], waiting: Handoff[]}}
   */
  groups(me, queues) {
    const pending = this.all.filter(isPending);
    const followed = (/** @type {Handoff} */ it) => !queues.length || queues.includes(it.to.queue ?? "");
    return {
      mine: this.all.filter((it) => it.state === "accepted" && it.owner === me),
      offered: pending.filter((it) => it.to.agent === me),
      waiting: pending.filter((it) => it.to.agent !== me && followed(it)),
    };
  }
}

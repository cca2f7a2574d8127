// @ts-check
/**
 * The customers of the handoffs of a queue, with their waits: read for the rows on the screen, one at a time.
 *
 * The list of handoffs does not name its customers; their contexts do, as far as the agent may read them. Each read is
 * work for the server and an entry in the audit trail, so nothing is read that nobody looks at.
 */

import { path, Refused } from "../../data/api.js";
import { readableName } from "../names.js";

/** @typedef {import("../../data/types.js").Handoff} Handoff */
/** @typedef {{name: string | null | undefined, waiting: string | null | undefined, version: number, read: number}} Caller undefined: not read yet */

const FRESH_MS = 300_000; // a wait seldom begins or ends without a change of the handoff
const PAUSE_MS = 30_000; // between reads after a refusal that may pass, such as 429, or no answer
const AGAIN_MS = 2 * PAUSE_MS; // until the read that failed is repeated
const READING = Object.freeze({ keep: false, headers: { "Handoff-Reason": "queue" } }); // for the audit trail
const FINAL = Object.freeze([403, 404, 410]); // answers that stay until the handoff changes

export class Callers {
  /** @type {Map<string, Caller>} by handoff */ #known = new Map();
  /** @type {Handoff[]} */ #listed = [];
  /** @type {Set<HTMLElement>} */ #rows = new Set();
  /** @type {Set<string>} handoffs whose rows are on the screen */ #seen = new Set();
  #screen = new IntersectionObserver((entries) => this.#looked(entries));
  #resume = () => this.#go();
  #reading = false;
  #ended = false;
  /** @type {number | undefined} */ #pausing;

  /**
   * @param {import("../../data/api.js").Api} api
   * @param {() => void} changed
   */
  constructor(api, changed) {
    this.api = api;
    this.changed = changed;
    document.addEventListener("visibilitychange", this.#resume);
  }

  /** @param {Handoff} handoff @returns {Caller | undefined} */
  of(handoff) {
    return this.#known.get(handoff.id);
  }

  /**
   * Read what is missing or old about those on the screen, in this order, and forget all that are not listed.
   * @param {Handoff[]} handoffs @param {HTMLElement[]} rows theirs
   */
  want(handoffs, rows) {
    const listed = new Set(handoffs.map((it) => it.id));
    for (const id of this.#known.keys()) if (!listed.has(id)) this.#known.delete(id);
    for (const id of this.#seen) if (!listed.has(id)) this.#seen.delete(id);
    const shown = new Set(rows);
    for (const it of this.#rows) if (!shown.has(it)) this.#screen.unobserve(it);
    for (const it of shown) if (!this.#rows.has(it)) this.#screen.observe(it);
    this.#rows = shown;
    this.#listed = handoffs;
    this.#go();
  }

  stop() {
    this.#ended = true;
    this.#screen.disconnect();
    window.clearTimeout(this.#pausing);
    document.removeEventListener("visibilitychange", this.#resume);
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #looked(entries) {
    for (const { target, isIntersecting } of entries) {
      const id = String(/** @type {HTMLElement} */ (target).dataset.id);
      if (isIntersecting) this.#seen.add(id);
      else this.#seen.delete(id);
    }
    this.#go();
  }

  #go() {
    if (this.#ended || this.#reading || this.#pausing !== undefined || document.hidden) return;
    const next = this.#next();
    if (next) this.#read(next);
  }

  #next() {
    const now = Date.now();
    return this.#listed.find((it) => {
      const known = this.#known.get(it.id);
      return this.#seen.has(it.id) && (!known || known.version !== it.version || now - known.read > FRESH_MS);
    });
  }

  /** @param {Handoff} handoff */
  async #read(handoff) {
    const { id, version } = handoff;
    const before = this.#known.get(id);
    this.#reading = true;
    try {
      const query = { fields: "conversations", limit: 1 };
      const context = await this.api.get(path`/v1/handoffs/${id}/context`, query, READING);
      const name = context.customer ? readableName(context.customer) : null;
      this.#take(id, { name, waiting: waitingIn(context, handoff), version, read: Date.now() });
    } catch (error) {
      const final = error instanceof Refused && FINAL.includes(error.status);
      if (final) this.#take(id, { name: before?.name ?? null, waiting: before?.waiting ?? null, version, read: Infinity });
      else this.#later(id, { name: before?.name, waiting: before?.waiting, version, read: Date.now() - FRESH_MS + AGAIN_MS });
    } finally {
      this.#reading = false;
      this.#go();
    }
  }

  /** @param {string} id @param {Caller} caller */
  #take(id, caller) {
    const before = this.#known.get(id);
    if (this.#ended || !this.#listed.some((it) => it.id === id)) return;
    this.#known.set(id, caller);
    if (caller.name !== before?.name || caller.waiting !== before?.waiting) this.changed();
  }

  /** The queue shows the connection. The other rows come first. @param {string} id @param {Caller} caller */
  #later(id, caller) {
    if (this.#ended) return;
    this.#take(id, caller);
    this.#pausing = window.setTimeout(() => {
      this.#pausing = undefined;
      this.#go();
    }, PAUSE_MS);
  }
}

/** @param {import("../../data/types.js").Context} context @param {Handoff} handoff */
function waitingIn(context, handoff) {
  const own = (context.conversations ?? []).filter((it) => it.id === handoff.conversation_id || it.root === handoff.root);
  return own.map((it) => it.waiting_since).filter(Boolean).sort()[0] ?? null;
}

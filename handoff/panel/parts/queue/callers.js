// @ts-check
/**
 * The customers of the handoffs of a queue, with their waits: read beside the queue, a few at a time.
 *
 * The list of handoffs does not name its customers; their contexts do, as far as the agent may read them.
 */

import { path, Refused } from "../../data/api.js";
import { readableName } from "../names.js";

/** @typedef {import("../../data/types.js").Handoff} Handoff */
/** @typedef {{name: string | null | undefined, waiting: string | null, version: number, read: number}} Caller */

const AT_ONCE = 2; // requests: a browser has six connections to a server over HTTP/1.1
const FRESH_MS = 300_000; // a wait seldom begins or ends without a change of the handoff
const READING = Object.freeze({ keep: false, headers: { "Handoff-Reason": "queue" } }); // for the audit trail
const FINAL = Object.freeze([403, 404, 410]); // answers that stay until the handoff changes

export class Callers {
  /** @type {Map<string, Caller>} by handoff; without a name until it was read */ #known = new Map();
  /** @type {Handoff[]} */ #wanted = [];
  #reading = 0;
  #ended = false;

  /**
   * @param {import("../../data/api.js").Api} api
   * @param {() => void} changed
   */
  constructor(api, changed) {
    this.api = api;
    this.changed = changed;
  }

  /** @param {Handoff} handoff @returns {Caller | undefined} */
  of(handoff) {
    return this.#known.get(handoff.id);
  }

  /** Read what is missing or old about these, in this order, and forget all others. @param {Handoff[]} handoffs */
  want(handoffs) {
    const wanted = new Set(handoffs.map((it) => it.id));
    for (const id of this.#known.keys()) if (!wanted.has(id)) this.#known.delete(id);
    this.#wanted = handoffs;
    while (this.#reading < AT_ONCE && this.#next()) this.#read(/** @type {Handoff} */ (this.#next()));
  }

  stop() {
    this.#ended = true;
    this.#wanted = [];
  }

  #next() {
    const now = Date.now();
    return this.#wanted.find((it) => {
      const known = this.#known.get(it.id);
      return !known || known.version !== it.version || now - known.read > FRESH_MS;
    });
  }

  /** @param {Handoff} handoff */
  async #read(handoff) {
    const before = this.#known.get(handoff.id);
    const kept = { name: before?.name, waiting: before?.waiting ?? null, version: handoff.version, read: Date.now() };
    this.#known.set(handoff.id, kept); // nobody else reads it meanwhile, and a failure is not repeated at once
    this.#reading += 1;
    try {
      const query = { fields: "conversations", limit: 1 };
      const context = await this.api.get(path`/v1/handoffs/${handoff.id}/context`, query, READING);
      const caller = { ...kept, name: context.customer ? readableName(context.customer) : null, waiting: waitingIn(context, handoff) };
      if (this.#known.get(handoff.id) === kept) this.#known.set(handoff.id, caller);
      if (!this.#ended && (caller.name !== kept.name || caller.waiting !== kept.waiting)) this.changed();
    } catch (error) {
      if (!(error instanceof Refused) || !FINAL.includes(error.status)) return; // the queue shows the connection
      Object.assign(kept, { name: kept.name ?? null, read: Infinity });
      if (!this.#ended) this.changed();
    } finally {
      this.#reading -= 1;
      if (!this.#ended) this.want(this.#wanted);
    }
  }
}

/** @param {import("../../data/types.js").Context} context @param {Handoff} handoff */
function waitingIn(context, handoff) {
  const own = (context.conversations ?? []).filter((it) => it.id === handoff.conversation_id || it.root === handoff.root);
  return own.map((it) => it.waiting_since).filter(Boolean).sort()[0] ?? null;
}

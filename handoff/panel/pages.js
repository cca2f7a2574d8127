// @ts-check
/**
 * The part of a timeline that is held: pages that hang together, so many touchpoints at most.
 *
 * Going on at one end puts away what is farthest at the other; it is read again when it is wanted. So
 * a desktop that stays open the whole day does not grow with the lives it has scrolled through.
 */

/** @typedef {import("./types.js").Touchpoint} Touchpoint */
/** @typedef {import("./types.js").Timeline} Timeline */
/** @typedef {{cursor: string | null}} Page what it was asked for with; null for the newest */
/** @typedef {(cursor: string | null) => Promise<Timeline>} Read one page behind a cursor */

export const PAGE = 50;
const HELD = 1000; // some 40 000 nodes; more than a person reads and a search finds its way in

export class Pages {
  /** @type {Map<string, {touchpoint: Touchpoint, page: Page, place: number}>} */ #held = new Map();
  /** @type {Page[]} newest first */ #pages = [];
  /** @type {{cursor: string | null, until: string | null, count: number}[]} put away, the newest first */ #away = [];
  /** @type {string | null} */ #older = null;

  get size() {
    return this.#held.size;
  }

  get hasOlder() {
    return this.#older !== null;
  }

  /** How many newer ones were put away. */
  get away() {
    return this.#away.reduce((sum, it) => sum + it.count, 0);
  }

  /** @param {string} id */
  has(id) {
    return this.#held.has(id);
  }

  /** Newest first; what happened at the same time is in the order in which the server told it. */
  ordered() {
    const order = new Map(this.#pages.map((it, at) => [it, at]));
    const found = [...this.#held.values()].sort((one, other) => {
      const [here, there] = [one.touchpoint.occurred_at, other.touchpoint.occurred_at];
      if (here !== there) return here < there ? 1 : -1;
      return (order.get(one.page) ?? 0) - (order.get(other.page) ?? 0) || one.place - other.place;
    });
    return found.map((it) => it.touchpoint);
  }

  /** The newest page as it is now; what else is held stays. @param {Timeline | null | undefined} timeline */
  take(timeline) {
    if (this.#away.length) return; // it does not hang together with what is held
    const page = timeline?.touchpoints ?? [];
    const last = page.at(-1);
    if (!this.#pages.length) {
      this.#pages.push({ cursor: null });
      this.#older = timeline?.next ?? null;
    } else if (last) {
      // What the new page covers is as the page says, also where something is gone from it.
      for (const [id, it] of this.#held) if (it.touchpoint.occurred_at > last.occurred_at) this.#held.delete(id);
    }
    this.#hold(page, this.#pages[0]);
  }

  /** One page further back; null where this is the beginning. @param {Read} read */
  async older(read) {
    const cursor = this.#older;
    if (cursor === null) return null;
    const answer = await read(cursor);
    if (cursor !== this.#older) return []; // asked for twice
    /** @type {Page} */
    const page = { cursor };
    this.#pages.push(page);
    this.#hold(answer.touchpoints, page);
    this.#older = answer.next;
    while (this.size > HELD && this.#pages.length > 1) {
      const [far] = this.#pages.splice(0, 1);
      this.#away.push({ cursor: far.cursor, until: this.#pages[0].cursor, count: this.#drop(far) });
    }
    return answer.touchpoints;
  }

  /** The page before the first one held, with what has come between since. @param {Read} read */
  async newer(read) {
    const wanted = this.#away.at(-1);
    if (!wanted) return [];
    /** @type {Touchpoint[]} */
    const found = [];
    for (let cursor = wanted.cursor, first = true; first || (cursor !== null && cursor !== wanted.until); first = false) {
      const answer = await read(cursor);
      const fresh = answer.touchpoints.filter((it) => !this.#held.has(it.id));
      found.push(...fresh);
      if (fresh.length < answer.touchpoints.length) break; // what is held begins here
      cursor = answer.next;
    }
    if (wanted !== this.#away.at(-1)) return [];
    this.#away.pop();
    const page = { cursor: wanted.cursor };
    this.#pages.unshift(page);
    this.#hold(found, page);
    while (this.size > HELD && this.#pages.length > 1) {
      const far = /** @type {Page} */ (this.#pages.pop());
      this.#drop(far);
      this.#older = far.cursor;
    }
    return found;
  }

  /** @param {Touchpoint[]} touchpoints @param {Page} page */
  #hold(touchpoints, page) {
    touchpoints.forEach((touchpoint, place) => this.#held.set(touchpoint.id, { touchpoint, page, place }));
  }

  /** @param {Page} page */
  #drop(page) {
    const ids = [...this.#held].filter(([, it]) => it.page === page).map(([id]) => id);
    for (const id of ids) this.#held.delete(id);
    return ids.length;
  }
}

// @ts-check
/**
 * The loaded part of a timeline: consecutive pages, with a bounded number of touchpoints.
 *
 * Loading at one end evicts the pages farthest away at the other; they are read again on demand. So a
 * desktop that stays open all day does not grow with the histories it has scrolled through.
 */

/** @typedef {import("./types.js").Touchpoint} Touchpoint */
/** @typedef {import("./types.js").Timeline} Timeline */
/** @typedef {{cursor: string | null}} Page the cursor it was read with; null for the newest */
/** @typedef {(cursor: string | null) => Promise<Timeline>} Read reads the page after a cursor */

export const PAGE = 50;
const MAX_LOADED = 1000; // about 40 000 DOM nodes: more than anyone reads

export class Pages {
  /** @type {Map<string, {touchpoint: Touchpoint, page: Page, index: number}>} */ #loaded = new Map();
  /** @type {Page[]} newest first */ #pages = [];
  /** @type {{cursor: string | null, until: string | null, count: number}[]} newest first */ #evicted = [];
  /** @type {string | null} */ #older = null;

  get size() {
    return this.#loaded.size;
  }

  get hasOlder() {
    return this.#older !== null;
  }

  /** How many newer touchpoints were evicted. */
  get evicted() {
    return this.#evicted.reduce((sum, it) => sum + it.count, 0);
  }

  /** @param {string} id */
  has(id) {
    return this.#loaded.has(id);
  }

  /** Newest first. Touchpoints of the same time keep the server's order. */
  ordered() {
    const order = new Map(this.#pages.map((it, at) => [it, at]));
    const found = [...this.#loaded.values()].sort((one, other) => {
      const [here, there] = [one.touchpoint.occurred_at, other.touchpoint.occurred_at];
      if (here !== there) return here < there ? 1 : -1;
      return (order.get(one.page) ?? 0) - (order.get(other.page) ?? 0) || one.index - other.index;
    });
    return found.map((it) => it.touchpoint);
  }

  /** Replace the newest page; other pages stay. @param {Timeline | null | undefined} timeline */
  take(timeline) {
    if (this.#evicted.length) return; // not adjacent to the loaded pages
    const page = timeline?.touchpoints ?? [];
    const last = page.at(-1);
    if (!this.#pages.length) {
      this.#pages.push({ cursor: null });
      this.#older = timeline?.next ?? null;
    } else if (last) {
      // The new page is authoritative for its time range, including for removed touchpoints.
      for (const [id, it] of this.#loaded) if (it.touchpoint.occurred_at > last.occurred_at) this.#loaded.delete(id);
    }
    this.#add(page, this.#pages[0]);
  }

  /** Read one page further back; null at the beginning. @param {Read} read */
  async older(read) {
    const cursor = this.#older;
    if (cursor === null) return null;
    const answer = await read(cursor);
    if (cursor !== this.#older) return []; // another call read it first
    /** @type {Page} */
    const page = { cursor };
    this.#pages.push(page);
    this.#add(answer.touchpoints, page);
    this.#older = answer.next;
    while (this.size > MAX_LOADED && this.#pages.length > 1) {
      const [far] = this.#pages.splice(0, 1);
      this.#evicted.push({ cursor: far.cursor, until: this.#pages[0].cursor, count: this.#drop(far) });
    }
    return answer.touchpoints;
  }

  /** Read back the evicted page before the first loaded one, with anything that arrived in between. @param {Read} read */
  async newer(read) {
    const wanted = this.#evicted.at(-1);
    if (!wanted) return [];
    /** @type {Touchpoint[]} */
    const found = [];
    for (let cursor = wanted.cursor, first = true; first || (cursor !== null && cursor !== wanted.until); first = false) {
      const answer = await read(cursor);
      const fresh = answer.touchpoints.filter((it) => !this.#loaded.has(it.id));
      found.push(...fresh);
      if (fresh.length < answer.touchpoints.length) break; // the loaded pages begin here
      cursor = answer.next;
    }
    if (wanted !== this.#evicted.at(-1)) return [];
    this.#evicted.pop();
    const page = { cursor: wanted.cursor };
    this.#pages.unshift(page);
    this.#add(found, page);
    while (this.size > MAX_LOADED && this.#pages.length > 1) {
      const far = /** @type {Page} */ (this.#pages.pop());
      this.#drop(far);
      this.#older = far.cursor;
    }
    return found;
  }

  /** @param {Touchpoint[]} touchpoints @param {Page} page */
  #add(touchpoints, page) {
    touchpoints.forEach((touchpoint, index) => this.#loaded.set(touchpoint.id, { touchpoint, page, index }));
  }

  /** @param {Page} page */
  #drop(page) {
    const ids = [...this.#loaded].filter(([, it]) => it.page === page).map(([id]) => id);
    for (const id of ids) this.#loaded.delete(id);
    return ids.length;
  }
}

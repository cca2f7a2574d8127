// @ts-check
/** Rows that stay in place: sorting without losing the focus, and one tab stop for all of them. */

/**
 * Make these the children of `parent`, moving only nodes that are elsewhere.
 * @param {Element} parent @param {HTMLElement[]} wanted
 */
export function arrange(parent, wanted) {
  const there = new Set(wanted);
  for (const it of [...parent.children]) if (!there.has(/** @type {HTMLElement} */ (it))) it.remove();
  wanted.forEach((it, at) => parent.children[at] === it || parent.insertBefore(it, parent.children[at] ?? null));
}

/**
 * Run a change of the rows, and scroll by as much as it moved the row that the agent looks at.
 * @param {HTMLElement | null | undefined} row @param {() => HTMLElement | null | undefined} change returns the row afterwards
 */
export function holdingStill(row, change) {
  const before = row?.getBoundingClientRect().top;
  const after = change();
  if (before === undefined || !after?.isConnected) return;
  const moved = after.getBoundingClientRect().top - before;
  if (Math.abs(moved) < 1) return;
  const scroller = scrollerOf(after);
  if (scroller) scroller.scrollTop += moved;
}

/** @param {HTMLElement} element @returns {Element | null} */
function scrollerOf(element) {
  for (let it = /** @type {Node | null} */ (element); it; it = it instanceof ShadowRoot ? it.host : it.parentNode) {
    if (it instanceof Element && it.scrollHeight > it.clientHeight && /auto|scroll/.test(getComputedStyle(it).overflowY)) return it;
  }
  return document.scrollingElement;
}

/** The row that an arrow, Home, or End leads to. @param {HTMLElement[]} rows @param {HTMLElement} from @param {string} key */
export function rowFor(rows, from, key) {
  const at = rows.indexOf(from);
  const to = { ArrowDown: at + 1, j: at + 1, ArrowUp: at - 1, k: at - 1, Home: 0, End: rows.length - 1 }[key];
  return to === undefined ? undefined : (rows[to] ?? from);
}

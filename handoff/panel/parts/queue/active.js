// @ts-check
/** The queue's active row: the only one with a tab stop and buttons, and the one that keeps the focus. */

/** @typedef {{element: HTMLElement, id: string, move: string | undefined, index: number}} Focused what has the focus in a row */

export class ActiveRow {
  /** @type {string | undefined} */ #id;
  /** @type {Focused | null} */ #last = null;
  #pressing = false;

  /**
   * @param {ShadowRoot} root
   * @param {HTMLElement} lists all rows are in it
   */
  constructor(root, lists) {
    this.root = root;
    this.lists = lists;
    this.pointed = /** @type {HTMLElement | null} */ (null);
    lists.addEventListener("focusin", (event) => this.#focused(event));
    lists.addEventListener("pointerdown", () => { this.#pressing = true; });
    lists.addEventListener("pointerover", (event) => { this.pointed = rowOf(event.target); });
    lists.addEventListener("pointerleave", () => { this.pointed = null; });
    for (const type of ["pointerup", "pointercancel", "pointerleave"]) lists.addEventListener(type, () => setTimeout(() => this.#released()));
    // The second click of a double click may meet a button that the first one has brought there.
    lists.addEventListener("click", (event) => event.detail > 1 && event.stopPropagation(), true);
  }

  get rows() {
    return /** @type {HTMLElement[]} */ ([...this.lists.querySelectorAll(".card")]);
  }

  /** @param {string | null | undefined} id */
  row(id) {
    return this.rows.find((it) => it.dataset.id === id);
  }

  /** The row that the agent points at or has the focus in: it stays where it is. */
  get held() {
    const focused = this.focused();
    return (this.pointed?.isConnected ? this.pointed : null) ?? (focused ? this.row(focused.id) : undefined);
  }

  /** Give one row the tab stop and the buttons. @param {string | null | undefined} [id] */
  mark(id = this.#id) {
    const { rows } = this;
    const active = this.row(id) ?? rows.find((it) => it.classList.contains("selected")) ?? rows[0];
    this.#id = active?.dataset.id;
    for (const it of rows) {
      it.tabIndex = it === active ? 0 : -1;
      it.classList.toggle("active", it === active);
      const moves = /** @type {HTMLElement | null} */ (it.querySelector(".card-moves"));
      if (moves) moves.hidden = it !== active;
    }
  }

  /** @returns {Focused | null} */
  focused() {
    const element = /** @type {HTMLElement | null} */ (this.root.activeElement);
    const row = rowOf(element);
    if (!element || !row) return null;
    return { element, id: String(row.dataset.id), move: element.dataset.move, index: this.rows.indexOf(row) };
  }

  /**
   * Focus the same element again, its successor, or the row that took the place of a row that left.
   * @param {Focused | null} focused before the change
   */
  restore(focused) {
    if (!focused) return;
    const same = this.row(focused.id);
    const next = same ?? this.rows[Math.min(focused.index, this.rows.length - 1)];
    this.mark(next?.dataset.id);
    if (same && this.root.activeElement === focused.element) return;
    const kept = same?.contains(focused.element) ? focused.element : same?.querySelector(`[data-move="${focused.move}"]`);
    const target = kept ?? next ?? this.lists;
    /** @type {HTMLElement} */ (target).focus();
  }

  /** @param {Event} event */
  #focused(event) {
    const row = rowOf(event.target);
    this.#last = this.focused() ?? this.#last;
    if (row && !this.#pressing) this.mark(row.dataset.id);
  }

  /** A dialog has closed, and the row it was opened from may have left or been built again. */
  comeBack() {
    const now = this.root.activeElement;
    if (!now || now.closest("dialog:not([open])")) this.restore(this.#last);
  }

  /** Rows change their height when another becomes active: not before the click of the pointer has happened. */
  #released() {
    if (!this.#pressing) return;
    this.#pressing = false;
    const focused = this.focused();
    if (focused) this.mark(focused.id);
  }
}

/** @param {EventTarget | null} target @returns {HTMLElement | null} */
function rowOf(target) {
  return target instanceof Element ? target.closest(".card") : null;
}

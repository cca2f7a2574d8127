// @ts-check
/** Named places of an element. Each is rebuilt only if its state has changed. */

export class Regions {
  /** @param {Record<string, HTMLElement>} places */
  constructor(places) {
    this.places = places;
    /** @type {Map<string, string>} */
    this.shown = new Map();
  }

  /** @param {string} name */
  place(name) {
    return this.places[name];
  }

  /** Set a place's text if it differs: screen readers announce every write. @param {string} name @param {string} text */
  setText(name, text) {
    const place = this.places[name];
    if (place && place.textContent !== text) place.textContent = text;
  }

  /** Rebuild the place next time, even if its state is the same. @param {string} name */
  invalidate(name) {
    this.shown.delete(name);
  }

  /**
   * @param {string} name
   * @param {unknown} state everything the place is built from
   * @param {() => import("./dom.js").Child[]} build
   */
  show(name, state, build) {
    const signature = JSON.stringify(state) ?? "";
    if (this.shown.get(name) === signature) return;
    this.shown.set(name, signature);
    const place = this.places[name];
    const root = /** @type {ShadowRoot} */ (place.getRootNode());
    const focused = /** @type {HTMLElement | null} */ (root.activeElement);
    const label = focused && place.contains(focused) ? labelOf(focused) : null;
    place.replaceChildren(...build().flat().filter(Boolean).map((it) => (it instanceof Node ? it : String(it))));
    if (label === null) return;
    const same = [...place.querySelectorAll("a, button, input, select, summary, [tabindex]")].find((it) => labelOf(it) === label);
    /** @type {HTMLElement | undefined} */ (same)?.focus();
  }
}

/** @param {Element} element */
function labelOf(element) {
  return element.getAttribute("aria-label") ?? element.textContent;
}

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
    const before = focused && place.contains(focused) ? { label: labelOf(focused), at: focusable(place).indexOf(focused), link: isLink(focused) } : null;
    place.replaceChildren(...build().flat().filter(Boolean).map((it) => (it instanceof Node ? it : String(it))));
    if (before) refocus(place, before);
  }
}

const FOCUSABLE = "a, button, input, select, textarea, summary, [tabindex]";

/** @param {HTMLElement} place */
function focusable(place) {
  return /** @type {HTMLElement[]} */ ([...place.querySelectorAll(FOCUSABLE)]);
}

/** Focus what has the same label, else the text before it, else the place: never a button that does something else.
 * @param {HTMLElement} place @param {{label: string | null, at: number, link: boolean}} before */
function refocus(place, { label, at, link }) {
  const found = focusable(place);
  const wanted = found.find((it) => labelOf(it) === label) ?? found.findLast((it, index) => isLink(it) && (link ? index <= at : index < at));
  if (!wanted) place.tabIndex = -1;
  (wanted ?? place).focus({ preventScroll: true });
}

/** @param {Element} element */
function isLink(element) {
  return element.getAttribute("role") === "link";
}

/** @param {Element} element */
function labelOf(element) {
  return element.getAttribute("aria-label") ?? element.textContent;
}

// @ts-check
/** Build elements without markup: data only ever becomes a text node. */

/** @typedef {Node | string | number | null | undefined | false} Leaf */
/** @typedef {Leaf | (Leaf | Leaf[])[]} Child */

const SVG = "http://www.w3.org/2000/svg";

/** Stroked shapes on a 16-pixel grid. */
const ICONS = Object.freeze({
  web: ["M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8Z", "M1.9 8h12.2", "M8 1.8c2 1.7 2.8 3.8 2.8 6.2S10 12.5 8 14.2C6 12.5 5.2 10.4 5.2 8S6 3.5 8 1.8Z"],
  chat: ["M2 3h12v8H7.5L4 13.8V11H2Z"],
  phone: ["M3.2 2.2h2.600l1 3.2-1.600 1.2a8.5 8.5 0 0 0 4.2 4.2l1.2-1.600 3.2 1v2.600c0 .7-.5 1.2-1.2 1.2C6.8 13.600 2.4 9.2 2 3.4c0-.7.5-1.2 1.2-1.2Z"],
  email: ["M1.8 3.5h12.4v9H1.8Z", "m1.8 4 6.2 5 6.2-5"],
  handoff: ["M2 5.5h10.5", "m10 2.8 2.700 2.700L10 8.2", "M14 10.8H3.5", "m6 8.2-2.700 2.600L6 13.5"],
  note: ["M3 13l.6-2.8L11 2.8l2.2 2.2-7.4 7.4Z"],
  promise: ["M4 14V2.5", "M4 3h8.5l-2 2.8 2 2.700H4"],
  other: ["M8 4.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7Z"],
});

/**
 * Create an element. Tag and attribute names come from our code; values may be untrusted.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [attributes] functions such as `onclick` become listeners; false and null are omitted
 * @param {...Child} children strings become text
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...leaves(children));
  return element;
}

/**
 * @param {Child[]} children
 * @returns {(Node | string)[]}
 */
export function leaves(children) {
  /** @type {(Node | string)[]} */
  const found = [];
  for (const child of children.flat(2)) {
    if (child === null || child === undefined || child === false) continue;
    found.push(child instanceof Node ? child : String(child));
  }
  return found;
}

/**
 * Text from outside, isolated so that its direction marks do not affect the text around it.
 * @param {unknown} text
 */
export function userText(text) {
  return h("bdi", {}, String(text ?? ""));
}

/**
 * An identity's value with invisible and direction characters spelled out: they would make one address
 * look like another.
 * @param {unknown} text
 */
export function handle(text) {
  const shown = String(text ?? "").replace(
    // eslint-disable-next-line no-control-regex -- these must not stay invisible
    /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (it) => `\u27e8U+${it.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`,
  );
  return h("bdi", { class: "handle" }, shown);
}

/**
 * A decorative icon: the text beside it carries the meaning.
 * @param {string} name
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  for (const d of ICONS[/** @type {keyof typeof ICONS} */ (name)] ?? ICONS.other) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}

/**
 * @param {string} label
 * @param {(event: Event) => void} act
 * @param {Record<string, any>} [attributes]
 */
export function button(label, act, attributes = {}) {
  return h("button", { type: "button", onclick: act, ...attributes }, label);
}

/**
 * Style sheets of the elements' shadow roots, each loaded once.
 * @type {Map<string, Promise<CSSStyleSheet>>}
 */
const sheets = new Map();

/** @param {string} name of a file in `styles` @returns {Promise<CSSStyleSheet>} */
export function styles(name) {
  const sheet = sheets.get(name) ?? load(name);
  sheets.set(name, sheet);
  return sheet;
}

/** @param {string} name */
async function load(name) {
  const response = await fetch(new URL(`../styles/${name}.css`, import.meta.url));
  return new CSSStyleSheet().replace(await response.text());
}

// @ts-check
/** Build elements without markup: data only ever becomes a text node. */

/** @typedef {Node | string | number | null | undefined | false} Leaf */
/** @typedef {Leaf | (Leaf | Leaf[])[]} Child */

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {[tag: string, attributes: Record<string, string>]} Shape on a grid of 24 */

/** @type {readonly Shape[]} for what has no icon of its own */
const DOT = [["circle", { cx: "12", cy: "12", r: "5" }]];

/** @type {Record<string, readonly Shape[]>} */
let icons = {};

/** @type {Promise<void> | undefined} */
let loadingIcons;

/** Load the icons, once. */
export function loadIcons() {
  loadingIcons ??= fetch(new URL("../icons.json", import.meta.url))
    .then((response) => response.json())
    .then((loaded) => {
      icons = loaded;
    })
    .catch(() => undefined); // a dot for each must do
  return loadingIcons;
}

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
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  for (const [tag, attributes] of icons[name] ?? DOT) {
    const shape = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
    svg.append(shape);
  }
  return svg;
}

/**
 * An icon in the colour and shape of its channel.
 * @param {string} channel
 * @param {string} [name] of the icon, if it is not the channel's
 */
export function badge(channel, name = channel) {
  return h("span", { class: "badge", "data-channel": channel, "aria-hidden": "true" }, icon(name));
}

/**
 * Text that leads somewhere. Unlike a button's, it can be selected and copied.
 * @param {Child} content
 * @param {() => void} go
 * @param {Record<string, any>} [attributes]
 */
export function textLink(content, go, attributes = {}) {
  const act = (/** @type {Event} */ event) => {
    const selected = window.getSelection();
    if (event.type === "click" && selected && !selected.isCollapsed) return; // the end of a selection
    go();
  };
  const onkeydown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter" || event.target !== event.currentTarget) return;
    event.preventDefault();
    act(event);
  };
  return h("span", { role: "link", tabindex: "0", onclick: act, onkeydown, ...attributes }, content);
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

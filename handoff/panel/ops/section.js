// @ts-check
/** The base of the page's sections: messages, styles, and reading again every few seconds. */

import { Refused } from "../data/api.js";
import { button, h } from "../dom/dom.js";
import { PanelElement } from "../dom/element.js";
import { Regions } from "../dom/regions.js";
import { opsWords } from "./words.js";

/** @typedef {import("../text/words.js").Words} Words */
/** @typedef {import("../data/api.js").Api} Api */
/** @typedef {import("../dom/dom.js").Child} Child */

const EVERY_MS = 3000;
const RETRY_MS = 3000;

/** @type {Promise<CSSStyleSheet> | undefined} */
let sheet;

function opsStyles() {
  sheet ??= fetch(new URL("ops.css", import.meta.url))
    .then((response) => response.text())
    .then((text) => new CSSStyleSheet().replace(text));
  return sheet;
}

/**
 * Content as it is stored: lines stay, other control and invisible characters are spelled out.
 * @param {string} text
 */
export function stored(text) {
  const shown = text.replace(
    // eslint-disable-next-line no-control-regex -- these must not stay invisible
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (it) => `\u27e8U+${it.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`,
  );
  return h("bdi", {}, shown);
}

/** Subclasses implement `refresh`, and `places` if they have more than a list. */
export class OpsSection extends PanelElement {
  static observedAttributes = ["language", "zone"];

  /** @type {Words | null} */ #words = null;
  /** @type {Regions} */ regions = new Regions({});
  #timer = 0;
  #failing = false;
  /** @type {Set<string>} */ #acting = new Set();

  /** The heading's message. */
  get heading() {
    return "";
  }

  stop() {
    super.stop();
    window.clearTimeout(this.#timer);
  }

  /** A message. @param {string} key @param {Record<string, unknown>} [values] */
  m(key, values = {}) {
    return /** @type {Words} */ (this.#words).text(key, values);
  }

  /** A number in the reader's language. @param {number} value */
  number(value) {
    return new Intl.NumberFormat(this.locale.words.tag, { maximumFractionDigits: 2 }).format(value);
  }

  /** @param {number} run */
  async start(run) {
    const [words, styles] = await Promise.all([opsWords(this.locale.words), opsStyles()]);
    if (this.ended(run)) return;
    this.#words = words;
    this.root.adoptedStyleSheets = [...this.root.adoptedStyleSheets, styles];
    const places = this.places();
    this.regions = new Regions({ status: h("p", { class: "status", role: "status" }), ...places });
    const title = h("h2", { id: "title", tabindex: "-1" }, this.m(this.heading));
    this.root.replaceChildren(
      h("section", { class: "section", lang: words.language, "aria-labelledby": "title" },
        h("div", { class: "head" }, title),
        this.regions.place("status"),
        ...Object.values(places),
      ),
    );
    if (this.api) await this.turn(run);
  }

  /** The places of the section, in their order. @returns {Record<string, HTMLElement>} */
  places() {
    return { list: h("div", {}) };
  }

  /** Whether a question is open: what it is about must not move away under the reader's hand. */
  get asking() {
    return this.root.querySelector(".confirm .danger") !== null;
  }

  /**
   * Read and show now, and again in a while.
   * @param {number} run
   * @param {boolean} [again] whether nobody asked for it
   */
  async turn(run, again = false) {
    window.clearTimeout(this.#timer);
    let pause = EVERY_MS;
    try {
      if (!(again && (document.hidden || this.asking))) await this.refresh(/** @type {Api} */ (this.api), run);
      if (this.#failing && !this.ended(run)) this.report("");
      this.#failing = false;
    } catch (error) {
      if (this.ended(run)) return;
      this.failed(error);
      this.#failing = true;
      if (error instanceof Refused && (error.status === 401 || error.status === 403)) return;
      pause = RETRY_MS;
    }
    if (this.ended(run)) return;
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.turn(run, true), pause);
  }

  /** @type {(api: Api, run: number) => Promise<void>} */
  async refresh() {}

  /**
   * An answer, or null and `gone` if what was asked for does not exist any more.
   * @template T
   * @param {Promise<T>} answer @param {() => void} gone @returns {Promise<T | null>}
   */
  async known(answer, gone) {
    try {
      return await answer;
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 404) throw error;
      gone();
      return null;
    }
  }

  /** @param {unknown} error @param {string} [lost] the message if there was no answer */
  failed(error, lost = "error.unreachable") {
    if (!(error instanceof Refused)) return this.report(this.m(lost));
    if (error.status === 401) this.announce("handoff-token-needed");
    const scope = error.body.scope;
    this.report(error.status === 401 ? this.m("error.token") : scope ? this.m("error.scope", { scope }) : error.message);
  }

  /** @param {string} text */
  report(text) {
    this.regions.setText("status", text);
  }

  /**
   * Run an action of the operator, report its outcome, and read again. A second click on it does nothing meanwhile.
   * @param {string} name @param {(api: Api) => Promise<string>} action
   */
  async act(name, action) {
    if (this.#acting.has(name)) return;
    this.#acting.add(name);
    const run = this.run;
    const focused = this.root.activeElement !== null;
    this.report(this.m("acting"));
    try {
      const outcome = await action(/** @type {Api} */ (this.api));
      if (this.ended(run)) return;
      this.#failing = false;
      this.report(outcome);
      await this.turn(run);
    } catch (error) {
      if (!this.ended(run)) this.failed(error, "error.action");
    } finally {
      this.#acting.delete(name);
    }
    const now = /** @type {HTMLElement | null} */ (this.root.activeElement);
    const lost = now === null || Object.values(this.regions.places).includes(now); // what had the focus is gone
    if (focused && !this.ended(run) && lost) this.#title().focus();
  }

  #title() {
    return /** @type {HTMLElement} */ (this.root.getElementById("title"));
  }

  /**
   * A button that asks once more before it acts.
   * @param {string} label @param {string} name the accessible name @param {() => void} act
   */
  confirmed(label, name, act) {
    const place = h("span", { class: "confirm" });
    const ask = () => {
      const yes = button(this.m("confirm.yes"), () => (calm(), act()), { class: "danger", "aria-label": `${this.m("confirm.yes")}: ${name}` });
      place.replaceChildren(yes, button(this.m("confirm.no"), calm));
      yes.focus();
    };
    const first = button(label, ask, { "aria-label": name });
    const calm = () => {
      place.replaceChildren(first);
      first.focus();
    };
    place.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !first.isConnected) calm();
    });
    place.append(first);
    return place;
  }

  /** A list of names and values; what is missing is left out. @param {[string, Child][]} pairs */
  facts(pairs) {
    const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
    return h("dl", { class: "facts" }, known.map(([key, value]) => h("div", {}, h("dt", {}, this.m(key)), h("dd", {}, value))));
  }

  /** @param {string | null} at @param {"short" | "ago" | "both"} [form] */
  time(at, form = "both") {
    return at === null ? null : this.locale.times.element(at, form);
  }
}

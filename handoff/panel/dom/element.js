// @ts-check
/** The base of both custom elements: connection to the server, language and life cycle. */

import { Api } from "../data/api.js";
import { isExpired, reasonOf } from "../data/handoffs.js";
import { Times } from "../text/times.js";
import { Words } from "../text/words.js";
import { loadIcons, styles } from "./dom.js";

/** @typedef {{words: Words, times: Times}} Locale the agent's language and time zone */

const TICK_MS = 15_000;
/** The panel's address on the server, without the version of its files. */
const PANEL = import.meta.url.replace(/(?:v\/[0-9a-f]+\/)?dom\/element\.js(?:\?.*)?$/, "");
const SERVER = new URL("..", PANEL).href;

/** Subclasses implement `start` and may extend `stop`. Both run again when an attribute or the token changes. */
export class PanelElement extends HTMLElement {
  /** @type {Locale | null} */ #locale = null;
  /** @type {Api | null} */ #api = null;
  /** @type {string | undefined} the token that was announced as expired */ #expired;
  #run = 0;
  #scheduled = false;
  /** @type {number | undefined} */ #ticking;

  constructor() {
    super();
    this.attachShadow({ mode: "open" });
  }

  /** The names of the element's own style sheets. @returns {string[]} */
  get sheets() {
    return [];
  }

  get root() {
    return /** @type {ShadowRoot} */ (this.shadowRoot);
  }

  /** Set once `start` runs. */
  get locale() {
    return /** @type {Locale} */ (this.#locale);
  }

  get ready() {
    return this.#locale !== null;
  }

  /** The session's token. A later token for the same agent continues the session.
   * @param {string} token */
  set token(token) {
    if (this.#api) this.#api.renew(token);
    else this.#api = new Api(this.getAttribute("server") ?? SERVER, token);
    this.restart();
  }

  /** Several elements may share one client. @param {Api | null} api */
  set api(api) {
    this.#api = api;
    this.restart();
  }

  /** @returns {Api | null} null until the page sets a token */
  get api() {
    return this.#api;
  }

  connectedCallback() {
    this.#ticking = window.setInterval(() => this.#locale?.times.keep(this.root), TICK_MS);
    this.restart();
  }

  disconnectedCallback() {
    window.clearInterval(this.#ticking);
    this.stop();
  }

  /** @type {(name: string, before: string | null, after: string | null) => void} */
  attributeChangedCallback(_name, before, after) {
    if (before !== after) this.restart();
  }

  /** Start again, once for several changes in a row. */
  restart() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (this.isConnected) this.#begin();
    });
  }

  /** Whether a run has ended since: an asynchronous answer for it is dropped. @param {number} run */
  ended(run) {
    return run !== this.#run;
  }

  get run() {
    return this.#run;
  }

  stop() {
    this.#run += 1;
  }

  async #begin() {
    this.stop();
    const run = this.#run;
    const loading = Promise.all(["elements", "forms", ...this.sheets].map(styles));
    const [words, sheets] = await Promise.all([Words.load(this.getAttribute("language")), loading, loadIcons()]);
    if (this.ended(run)) return;
    this.#locale = { words, times: new Times(words.tag, this.getAttribute("zone")) };
    this.root.adoptedStyleSheets = sheets;
    await this.start(run);
  }

  /** Build the element and load its data. Subclasses override this.
   * @type {(run: number) => Promise<void>} */
  async start() {}

  /** @param {string} key @param {Record<string, unknown>} [values] */
  text(key, values) {
    return this.locale.words.text(key, values);
  }

  /** Why a request failed, for the agent. An expired session is announced once, so that the page can renew it.
   * @param {unknown} error */
  reasonOf(error) {
    if (isExpired(error) && this.#expired !== this.#api?.token) {
      this.#expired = this.#api?.token;
      this.announce("handoff-token-needed");
    }
    return reasonOf(error, this.locale.words);
  }

  /** An event for the page around the element. @param {string} type @param {unknown} [detail] */
  announce(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { bubbles: true, composed: true, detail }));
  }
}

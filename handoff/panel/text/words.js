// @ts-check
/** Messages in the agent's language. Values from outside are isolated in them. */

import { userText } from "../dom/dom.js";

const LANGUAGES = Object.freeze(["en", "fi", "sv", "de"]);

/** @typedef {string | Record<string, string>} Message a text, or one per plural form */
/** @typedef {Record<string, unknown>} Values */

/** @type {Map<string, Promise<Record<string, Message>>>} by URL, shared by all elements of the page */
const loaded = new Map();

/** @param {string} url */
async function read(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${response.status} for ${url}`);
  return response.json();
}

/**
 * The messages of a language. A failed request is repeated by the next call.
 * @param {string} language
 * @param {string} [base] the module whose folder has them
 */
export function messagesIn(language, base = import.meta.url) {
  const url = new URL(`messages/${language}.json`, base).href;
  const known = loaded.get(url);
  if (known) return known;
  const messages = read(url);
  loaded.set(url, messages);
  messages.catch(() => loaded.delete(url));
  return messages;
}

export class Words {
  /**
   * @param {string} language
   * @param {Record<string, Message>} messages
   * @param {string} [tag] the language with the reader's region, for times and numbers
   */
  constructor(language, messages, tag = language) {
    this.language = language;
    this.tag = tag;
    this.messages = messages;
    this.plural = new Intl.PluralRules(language);
  }

  /**
   * Load the requested language, else the first supported one of the browser's, else English.
   * @param {string | null} [asked]
   */
  static async load(asked) {
    const wanted = [asked, ...navigator.languages].map((it) => (it ?? "").slice(0, 2).toLowerCase());
    const language = wanted.find((it) => LANGUAGES.includes(it)) ?? "en";
    const messages = await messagesIn(language);
    const tag = [asked, ...navigator.languages].find((it) => it?.toLowerCase().startsWith(`${language}-`));
    return new Words(language, messages, tag ?? language);
  }

  /** @param {string} key */
  has(key) {
    return Object.hasOwn(this.messages, key);
  }

  /**
   * @param {string} key
   * @param {Values} [values] `count` chooses the plural form
   */
  text(key, values = {}) {
    return this.#template(key, values).replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
  }

  /**
   * The message as nodes: values that are nodes are kept, other values are isolated.
   * @param {string} key
   * @param {Values} [values]
   * @returns {(Node | string)[]}
   */
  nodes(key, values = {}) {
    return this.#template(key, values)
      .split(/\{(\w+)\}/)
      .map((part, index) => {
        if (index % 2 === 0) return part;
        const value = values[part];
        return value instanceof Node ? value : userText(value);
      });
  }

  /**
   * The name of a value such as a channel or state; unknown values are shown as they are.
   * @param {string} family
   * @param {unknown} value
   */
  name(family, value) {
    const key = `${family}.${value}`;
    return this.has(key) ? this.text(key) : String(value ?? "");
  }

  /**
   * @param {string} key
   * @param {Values} values
   */
  #template(key, values) {
    const message = this.messages[key] ?? key;
    if (typeof message === "string") return message;
    return message[this.plural.select(Number(values.count ?? 0))] ?? message.other;
  }
}

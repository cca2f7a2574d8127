// @ts-check
/** Messages in the agent's language. Somebody's words in them are set apart as such. */

import { said } from "./dom.js";

export const LANGUAGES = Object.freeze(["en", "fi", "sv", "de"]);

/** @typedef {string | Record<string, string>} Message a text, or one per plural form */
/** @typedef {Record<string, unknown>} Values */

export class Words {
  /**
   * @param {string} language
   * @param {Record<string, Message>} messages
   * @param {string} [locale] the language with the reader's region, for times and numbers
   */
  constructor(language, messages, locale = language) {
    this.language = language;
    this.locale = locale;
    this.messages = messages;
    this.plural = new Intl.PluralRules(language);
  }

  /**
   * The language that the reader asked for, else the browser's first that there is, else English.
   * @param {string | null} [asked]
   */
  static async load(asked) {
    const wanted = [asked, ...navigator.languages].map((it) => (it ?? "").slice(0, 2).toLowerCase());
    const language = wanted.find((it) => LANGUAGES.includes(it)) ?? "en";
    const response = await fetch(new URL(`messages/${language}.json`, import.meta.url));
    const locale = [asked, ...navigator.languages].find((it) => it?.toLowerCase().startsWith(`${language}-`));
    return new Words(language, await response.json(), locale ?? language);
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
   * The same as nodes: values that are nodes stay so, every other is set apart.
   * @param {string} key
   * @param {Values} [values]
   * @returns {(Node | string)[]}
   */
  nodes(key, values = {}) {
    return this.#template(key, values)
      .split(/\{(\w+)\}/)
      .map((part, at) => {
        if (at % 2 === 0) return part;
        const value = values[part];
        return value instanceof Node ? value : said(value);
      });
  }

  /**
   * The name of one of a family of words, or the word itself where it is not known.
   * @param {string} family
   * @param {unknown} word
   */
  name(family, word) {
    const key = `${family}.${word}`;
    return this.has(key) ? this.text(key) : String(word ?? "");
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

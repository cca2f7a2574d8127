// @ts-check
/** Messages of the operator's page, in the languages of the panel. */

import { Words } from "../text/words.js";

/** @type {Map<string, Promise<Words>>} */
const loaded = new Map();

/** The page's messages in the language of the panel's. @param {Words} panel @returns {Promise<Words>} */
export function opsWords({ language, tag }) {
  const known = loaded.get(tag);
  if (known) return known;
  const loading = fetch(new URL(`messages/${language}.json`, import.meta.url))
    .then((response) => response.json())
    .then((messages) => new Words(language, messages, tag));
  loading.catch(() => loaded.delete(tag));
  loaded.set(tag, loading);
  return loading;
}

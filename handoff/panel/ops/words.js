// @ts-check
/** Messages of the operator's page, in the languages of the panel. */

import { Words, messagesIn } from "../text/words.js";

/** The page's messages in the language of the panel's. @param {Words} panel @returns {Promise<Words>} */
export async function opsWords({ language, tag }) {
  return new Words(language, await messagesIn(language, import.meta.url), tag);
}

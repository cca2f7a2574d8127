// @ts-check
/** A continuity code: the customer continues this conversation with it on another channel. */

import { button, h } from "../../dom/dom.js";
import { openDialog } from "./dialog.js";

/** @typedef {import("../../data/types.js").ContinuityCode} ContinuityCode */
/** @typedef {import("../../dom/element.js").Locale} Locale */
/** @typedef {() => Promise<{code: ContinuityCode} | {refused: string}>} Issue */

/**
 * A button that issues a code and shows it. Each click makes another one: a code works once.
 * @param {Locale} locale
 * @param {Issue} issue
 */
export function codeButton(locale, issue) {
  const { words } = locale;
  const made = button(words.text("code.button"), async () => {
    const root = /** @type {ShadowRoot} */ (made.getRootNode());
    const status = h("p", { role: "status" }, words.text("code.working"));
    const content = h("div", { class: "code" }, status);
    openDialog(root, words.text("code.title"), [content], words);
    const answer = await issue();
    if ("refused" in answer) status.textContent = answer.refused;
    else content.replaceChildren(...codeParts(answer.code, locale));
  });
  return made;
}

/** @param {ContinuityCode} code @param {Locale} locale */
function codeParts(code, { words, times }) {
  const status = h("p", { class: "quiet", role: "status" });
  const form = (/** @type {string} */ key, /** @type {string} */ value) =>
    h(
      "div",
      {},
      h("dt", {}, words.text(key)),
      h("dd", { "data-code": key }, h("code", {}, value), " ", copyButton(words, words.text(key), value, status)),
    );
  const until = { digits: times.element(code.digits_expire_at, "short"), until: times.element(code.expires_at, "short") };
  return [
    h("p", {}, words.text("code.hint")),
    h(
      "dl",
      { class: "codes" },
      form("code.digits", code.digits_grouped),
      form("code.text", code.forms.text),
      form("code.link", code.forms.link_parameter),
      form("code.subject", code.forms.subject_tag),
    ),
    h("p", { class: "quiet" }, words.nodes("code.until", until)),
    status,
  ];
}

/** @param {import("../../text/words.js").Words} words @param {string} what @param {string} value @param {HTMLElement} status */
function copyButton(words, what, value, status) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(value);
      status.textContent = words.text("copy.done");
    } catch {
      status.textContent = words.text("copy.failed"); // a frame may have no access to the clipboard
    }
  };
  return button(words.text("code.copy"), copy, { class: "plain", "aria-label": words.text("code.copy.this", { what }) });
}

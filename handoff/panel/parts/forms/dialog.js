// @ts-check
/** Modal dialogs inside an element: titled, closed with Escape, and the focus returns. */

import { button, h } from "../../dom/dom.js";

let made = 0;

/**
 * @param {Document | ShadowRoot} root where the dialog goes: the styles of the element apply there
 * @param {string} title
 * @param {import("../../dom/dom.js").Child[]} content
 * @param {{language: string, text: (key: string) => string}} words
 * @returns {HTMLDialogElement} open
 */
export function openDialog(root, title, content, words) {
  const id = `dialog-${(made += 1)}`;
  const close = button("×", () => dialog.close(), { class: "dialog-close", "aria-label": words.text("form.close") });
  const dialog = h("dialog", { "aria-labelledby": id, lang: words.language }, h("header", {}, h("h2", { id }, title), close), ...content);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("keydown", (event) => event.stopPropagation()); // keys of the page behind do nothing
  root.append(dialog);
  dialog.showModal();
  return dialog;
}

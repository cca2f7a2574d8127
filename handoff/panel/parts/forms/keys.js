// @ts-check
/** The map of the queue's keys. */

import { h } from "../../dom/dom.js";
import { openDialog } from "./dialog.js";

const KEYS = Object.freeze([
  [["↑", "↓"], "keys.move"],
  [["Home", "End"], "keys.ends"],
  [["Enter"], "keys.open"],
  [["A"], "keys.accept"],
  [["D"], "keys.decline"],
  [["C"], "keys.complete"],
  [["T"], "keys.transfer"],
  [["R"], "keys.release"],
  [["S"], "keys.sort"],
  [["?"], "keys.map"],
]);

/** @param {ShadowRoot} root @param {import("../../text/words.js").Words} words */
export function showKeys(root, words) {
  const rows = KEYS.map(([keys, key]) =>
    h("div", {}, h("dt", {}, .../** @type {string[]} */ (keys).map((it) => h("kbd", {}, it))), h("dd", {}, words.text(String(key)))));
  openDialog(root, words.text("keys.title"), [h("p", { class: "quiet" }, words.text("keys.when")), h("dl", { class: "keys-map" }, rows)], words);
}

// @ts-check
/** Showing a touchpoint's masked numbers for a short time, after the agent states a reason. */

import { Refused } from "../data/api.js";
import { reasonOf } from "../data/handoffs.js";
import { revealedIn } from "../data/revealed.js";
import { button, h, userText } from "../dom/dom.js";
import { openDialog } from "./forms/dialog.js";

/** @typedef {import("../data/types.js").Touchpoint} Touchpoint */
/** @typedef {import("../data/revealed.js").Revealed} Revealed */
/** @typedef {import("../dom/element.js").Locale} Locale */
/** @typedef {(id: string, reason: string) => Promise<Touchpoint>} Reveal the touchpoint with its numbers; the server audits it */

const SHOWN_S = 30;
const MAX_REASON = 200; // characters that the server takes
const REFUSALS = new Map([[403, "reveal.refused"], [409, "reveal.audit_off"]]);

/** The control beside masked numbers, and the place where they appear. @param {Touchpoint} it @param {Reveal} reveal @param {Locale} locale */
export function revealPart(it, reveal, locale) {
  const { words, times } = locale;
  const label = words.text("reveal.of", { what: words.name("type", it.type), at: times.clock(it.occurred_at) });
  const place = h("div", {});
  const open = button(words.text("reveal.open"), () => askForReason(open, it, reveal, words, (found) => show(place, open, found, words)), {
    class: "more reveal", "aria-label": label, "aria-haspopup": "dialog",
  });
  return h("div", { class: "masked" }, open, place);
}

/**
 * @param {HTMLElement} open
 * @param {Touchpoint} it
 * @param {Reveal} reveal
 * @param {import("../text/words.js").Words} words
 * @param {(found: Revealed[]) => void} done
 */
function askForReason(open, it, reveal, words, done) {
  const input = h("input", { type: "text", maxlength: MAX_REASON, autocomplete: "off", required: true });
  const status = h("p", { class: "form-status", role: "alert" });
  const send = h("button", { type: "submit", class: "strong" }, words.text("reveal.send"));
  const form = h("form", { novalidate: true }, h("p", {}, words.text("reveal.why", { count: SHOWN_S })),
    h("label", { class: "field" }, h("span", {}, words.text("reveal.reason")), input), status,
    h("div", { class: "form-moves" }, send, button(words.text("move.cancel"), () => dialog.close())));
  const dialog = openDialog(/** @type {ShadowRoot} */ (open.getRootNode()), words.text("reveal.title"), [form], words);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (send.disabled) return;
    const reason = input.value.trim();
    status.textContent = reason ? "" : words.text("reveal.needs_reason");
    if (!reason) return input.focus();
    send.disabled = true;
    try {
      const found = revealedIn(it, await reveal(it.id, reason));
      if (!dialog.open) return; // the agent closed it meanwhile
      dialog.close();
      done(found);
    } catch (error) {
      status.textContent = refusal(error, words);
    } finally {
      send.disabled = false;
    }
  });
  input.focus();
}

/** @param {unknown} error @param {import("../text/words.js").Words} words */
function refusal(error, words) {
  const known = error instanceof Refused ? REFUSALS.get(error.status) : undefined;
  return known ? words.text(known) : reasonOf(error, words);
}

/** @param {HTMLElement} place @param {HTMLElement} open @param {Revealed[]} found @param {import("../text/words.js").Words} words */
function show(place, open, found, words) {
  const hide = () => {
    window.clearTimeout(timer);
    const focused = place.contains(/** @type {ShadowRoot} */ (place.getRootNode()).activeElement);
    place.replaceChildren();
    open.hidden = false;
    if (focused) open.focus({ preventScroll: true });
  };
  const timer = window.setTimeout(hide, SHOWN_S * 1000);
  const lines = found.map((it) => h("li", {}, it.name && it.name !== "text" ? [userText(it.name), ": "] : null, it.before, h("mark", { dir: "auto" }, it.number), it.after));
  const close = button(words.text("reveal.hide"), hide, { class: "more" });
  open.hidden = true;
  const content = found.length ? h("ul", {}, lines) : h("p", {}, words.text("reveal.none"));
  place.replaceChildren(h("section", { class: "revealed", "aria-label": words.text("reveal.shown") }, h("div", { role: "status" }, content), close));
  close.focus({ preventScroll: true });
}

// @ts-check
/** The dialogs of moves that take words: decline, release, complete, and transfer. */

import { button, h, userText } from "../../dom/dom.js";
import { draftAbout } from "../drafts.js";
import { openDialog } from "./dialog.js";
import { transferFields } from "./transfer.js";

/** @typedef {import("../../data/types.js").Handoff} Handoff */
/** @typedef {import("../../data/handoffs.js").MoveDetails} MoveDetails */
/** @typedef {import("../../data/handoffs.js").Outcome} Outcome */
/** @typedef {(action: string, details: MoveDetails | null) => unknown} Act */
/** @typedef {{values: Record<string, any>, key: string, sent?: boolean}} Unsent */
/** @typedef {{nodes: HTMLElement[], first: HTMLElement, read: () => MoveDetails | {missing: string, at: HTMLElement}}} Fields */
/**
 * @typedef {object} Asked
 * @property {string} action
 * @property {Handoff} handoff
 * @property {import("../../data/api.js").Session} session
 * @property {import("../../text/words.js").Words} words
 * @property {string} who the customer's name
 * @property {Act} act
 */

const MAX_WORDS = 2000; // characters of a reason that the server takes
const MAX_WRAP_UP = 20_000; // like a note's

/**
 * Unsent words of agents, by handoff and move, with the key of the request. Memory only. It outlives the
 * dialog, which goes away with an expired session.
 * @type {Map<string, Unsent>}
 */
const unsent = new Map();

/** @param {Document | ShadowRoot} root @param {Asked} asked */
export function askForMove(root, asked) {
  const { action, handoff, words, who } = asked;
  const place = `${action} ${handoff.id}`;
  const kept = unsent.get(place) ?? /** @type {Unsent} */ ({ values: {}, key: freshKey() });
  unsent.set(place, kept);
  const fields = fieldsOf(asked, kept.values);
  const draft = action === "complete" ? draftAbout(asked.session, handoff) : null;
  const status = h("p", { class: "form-status", role: "alert" });
  const send = h("button", { type: "submit", class: "strong" }, words.text(draft ? "form.complete_anyway" : `form.${action}`));
  const form = h("form", { novalidate: true }, draft ? draftWarning(draft, words) : null, ...fields.nodes, h("p", { class: "quiet" }, words.text("form.enter")), status,
    h("div", { class: "form-moves" }, send, button(words.text("move.cancel"), () => dialog.close())));
  const dialog = openDialog(root, words.text(`move.${action}.this`, { who }), [form], words);
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.target instanceof HTMLTextAreaElement) || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (send.disabled) return;
    const details = fields.read();
    if ("missing" in details) {
      status.textContent = details.missing;
      return details.at.focus();
    }
    status.textContent = "";
    send.disabled = true;
    kept.sent = true;
    const outcome = await settled(asked, { ...details, key: kept.key, seen: handoff });
    send.disabled = false;
    if (!outcome || outcome.error) status.textContent = outcome?.message ?? words.text("form.not_sent");
    else {
      unsent.delete(place);
      dialog.close();
    }
  });
  dialog.addEventListener("close", () => {
    if (!kept.sent && !Object.values(kept.values).flat().some(Boolean)) unsent.delete(place);
  });
  fields.first.focus();
}

/** The outcome of the move, or undefined if another one of the same handoff is on its way. @param {Asked} asked @param {MoveDetails} details */
async function settled({ action, act }, details) {
  /** @type {Outcome | undefined} */
  let outcome;
  await act(action, { ...details, settled: (it) => (outcome = it) });
  return outcome;
}

/** @param {Asked} asked @param {Record<string, any>} values @returns {Fields} */
function fieldsOf({ action, handoff, session, words }, values) {
  if (action === "transfer") return transferFields(handoff, session, words, values);
  if (action === "complete") {
    const text = area(words.text("form.wrap_up"), values, "wrapUp", MAX_WRAP_UP);
    return { nodes: [text.label], first: text.input, read: () => ({ wrapUp: text.input.value.trim() || undefined }) };
  }
  const reason = area(words.text("move.reason"), values, "reason", MAX_WORDS);
  return { nodes: [reason.label], first: reason.input, read: () => ({ reason: reason.input.value.trim() || undefined }) };
}

/** @param {string} label @param {Record<string, any>} values @param {string} name @param {number} longest */
export function area(label, values, name, longest) {
  const input = h("textarea", { rows: 3, maxlength: longest });
  input.value = values[name] ?? "";
  input.addEventListener("input", () => { values[name] = input.value; });
  return { input, label: h("label", { class: "field" }, h("span", {}, label), input) };
}

/** @param {import("../drafts.js").Draft} draft @param {import("../../text/words.js").Words} words */
function draftWarning(draft, words) {
  return h("p", { class: "form-warning", role: "alert" }, words.text("form.draft"), " ", h("q", {}, userText(draft.text.trim().slice(0, 120))));
}

/** `crypto.randomUUID` is unavailable over plain HTTP. */
function freshKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (it) => it.toString(16).padStart(2, "0")).join("");
}

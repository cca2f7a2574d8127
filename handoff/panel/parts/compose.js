// @ts-check
/** The form for notes, promises with a due time, and wrap-ups. Each becomes a touchpoint. */

import { button, h } from "../dom/dom.js";
import { clear } from "./drafts.js";
import { codeButton } from "./forms/continuity.js";

/** @typedef {import("../data/types.js").Context} Context */

const KINDS = Object.freeze(["note", "promise", "wrap_up"]);
const MAX_CHARACTERS = 20_000; // a touchpoint may have more, a note should not

/**
 * @typedef {object} ComposerOptions
 * @property {import("../dom/element.js").Locale} locale
 * @property {import("./drafts.js").Draft} draft what the agent has typed; it outlives the form
 * @property {() => string} summary the brief as plain text
 * @property {(kind: string, text: string, due: string | null, id: string) => Promise<string | null>} add
 *   resolves to null when it is stored, otherwise to the reason
 */

/** @param {ComposerOptions} options */
function composer({ locale: { words, times }, draft, summary, add }) {
  const text = h("textarea", { rows: 3, maxlength: MAX_CHARACTERS, "aria-label": words.text("compose.text"), placeholder: words.text("compose.text") });
  text.value = draft.text;
  const due = h("input", { type: "datetime-local", id: "due" });
  due.value = draft.due;
  const dueRow = h("p", { class: "due", hidden: draft.kind !== "promise" }, h("label", { for: "due" }, words.text("compose.due")), " ", due);
  const status = h("p", { class: "quiet", role: "status" });
  const kinds = KINDS.map((kind) => {
    const input = h("input", { type: "radio", name: "kind", value: kind, checked: kind === draft.kind });
    input.addEventListener("change", () => choose(kind));
    return h("label", { class: "choice" }, input, words.text(`compose.${kind}`));
  });
  /** @param {string} kind */
  const choose = (kind) => {
    draft.kind = kind;
    dueRow.hidden = kind !== "promise";
  };
  text.addEventListener("input", () => { draft.text = text.value; });
  due.addEventListener("input", () => { draft.due = due.value; });
  const form = h(
    "form",
    { class: "compose" },
    h("fieldset", {}, h("legend", { class: "hidden" }, words.text("compose.kind")), kinds),
    text,
    dueRow,
    h(
      "div",
      { class: "moves" },
      h("button", { type: "submit", class: "strong" }, words.text("compose.add")),
      button(words.text("compose.summary"), () => {
        text.value = draft.text = summary();
        /** @type {HTMLInputElement} */ (kinds[2].querySelector("input")).checked = true;
        choose("wrap_up");
        text.focus();
      }),
    ),
    status,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const kind = String(new FormData(form).get("kind"));
    const content = text.value.trim();
    if (!content || (kind === "promise" && !due.value)) {
      status.textContent = words.text(content ? "compose.needs_due" : "compose.needs_text");
      (content ? due : text).focus();
      return;
    }
    const refused = await add(kind, content, kind === "promise" ? times.fromLocal(due.value) : null, draft.id);
    status.textContent = refused ?? words.text("compose.added");
    if (refused !== null) return; // keep the id: sending again stores the same touchpoint
    const more = text.value.trim() === content ? "" : text.value; // typed while it was sent
    clear(draft);
    text.value = draft.text = more;
    due.value = "";
  });
  return form;
}

/**
 * The form, and a button that copies the brief.
 * @param {import("../dom/element.js").Locale} locale
 * @param {ComposerOptions["draft"]} draft
 * @param {() => string} summary
 * @param {ComposerOptions["add"] | null} add null if the agent may only read
 * @param {import("./forms/continuity.js").Issue | null} issue null if the agent may issue no continuity codes
 */
export function composePart(locale, draft, summary, add, issue) {
  const { words } = locale;
  const copied = h("span", { class: "quiet", role: "status" });
  const copy = button(words.text("copy.button"), async () => {
    try {
      await navigator.clipboard.writeText(summary());
      copied.textContent = words.text("copy.done");
    } catch {
      copied.textContent = words.text("copy.failed"); // a frame may have no access to the clipboard
    }
  });
  return [h("h3", {}, words.text("compose.title")), add ? composer({ locale, draft, summary, add }) : null, h("p", { class: "moves" }, copy, issue ? codeButton(locale, issue) : null, copied)];
}

// @ts-check
/** What the agent adds: a note, a promise with its due time, a wrap-up. Each is a native touchpoint. */

import { button, h } from "./dom.js";
import { agentOf } from "./moves.js";

/** @typedef {import("./types.js").Context} Context */

const KINDS = Object.freeze(["note", "promise", "wrap_up"]);
const LONGEST = 20_000; // characters; a touchpoint may have more, a note should not

/**
 * @typedef {object} Desk
 * @property {import("./brief.js").Voice} voice
 * @property {() => string} summary the brief as plain text
 * @property {(kind: string, text: string, due: string | null, id: string) => Promise<string | null>} add null when
 *   it is stored, else why not
 */

/** @param {Desk} desk */
export function composer({ voice: { words, times }, summary, add }) {
  const text = h("textarea", { rows: 3, maxlength: LONGEST, "aria-label": words.text("compose.text"), placeholder: words.text("compose.text") });
  const due = h("input", { type: "datetime-local", id: "due" });
  const dueRow = h("p", { class: "due", hidden: true }, h("label", { for: "due" }, words.text("compose.due")), " ", due);
  const told = h("p", { class: "quiet", role: "status" });
  const kinds = KINDS.map((kind) => {
    const input = h("input", { type: "radio", name: "kind", value: kind, checked: kind === "note" });
    input.addEventListener("change", () => { dueRow.hidden = kind !== "promise"; });
    return h("label", { class: "choice" }, input, words.text(`compose.${kind}`));
  });
  let id = freshId();
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
        text.value = summary();
        /** @type {HTMLInputElement} */ (kinds[2].querySelector("input")).checked = true;
        dueRow.hidden = true;
        text.focus();
      }),
    ),
    told,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const kind = String(new FormData(form).get("kind"));
    const said = text.value.trim();
    if (!said || (kind === "promise" && !due.value)) {
      told.textContent = words.text(said ? "compose.needs_due" : "compose.needs_text");
      (said ? due : text).focus();
      return;
    }
    const refused = await add(kind, said, kind === "promise" ? times.fromLocal(due.value) : null, id);
    told.textContent = refused ?? words.text("compose.added");
    if (refused !== null) return; // the id stays: sending again is the same touchpoint
    id = freshId();
    text.value = "";
    due.value = "";
  });
  return form;
}

/**
 * The place to write, and a button that copies the brief.
 * @param {import("./brief.js").Voice} voice
 * @param {() => string} summary
 * @param {Desk["add"] | null} add null where the agent may only read
 */
export function composePart(voice, summary, add) {
  const { words } = voice;
  const copied = h("span", { class: "quiet", role: "status" });
  const copy = button(words.text("copy.button"), async () => {
    try {
      await navigator.clipboard.writeText(summary());
      copied.textContent = words.text("copy.done");
    } catch {
      copied.textContent = words.text("copy.failed"); // a frame may not be allowed to
    }
  });
  return [h("h3", {}, words.text("compose.title")), add ? composer({ voice, summary, add }) : null, h("p", { class: "moves" }, copy, copied)];
}

/** `crypto.randomUUID` is missing on plain HTTP. */
function freshId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `panel-${Array.from(bytes, (it) => it.toString(16).padStart(2, "0")).join("")}`;
}

/**
 * The body of `POST /v1/touchpoints` for what the agent wrote.
 * @param {Context} context
 * @param {import("./types.js").Handoff | null} handoff
 * @param {import("./api.js").Session} session
 * @param {{kind: string, text: string, due: string | null, id: string}} given
 */
export function touchpointOf(context, handoff, session, { kind, text, due, id }) {
  const customer = /** @type {import("./types.js").Customer} */ (context.customer);
  const order = ["user", "email", "phone"];
  const place = (/** @type {string} */ type) => (order.includes(type) ? order.indexOf(type) : order.length);
  const sure = (/** @type {string} */ it) => (it === "verified" ? 0 : 1);
  const [home] = [...customer.identities].sort((one, other) => sure(one.assurance) - sure(other.assurance) || place(one.type) - place(other.type));
  const channel = handoff?.to.channel ?? context.timeline?.touchpoints[0]?.channel ?? "chat";
  return {
    id,
    channel,
    type: kind === "promise" ? "promise.made" : "note.added",
    occurred_at: new Date().toISOString(),
    identities: [{ type: home.type, space: home.space, value: home.value, assurance: home.assurance }],
    direction: kind === "promise" ? "outbound" : "internal",
    visibility: "internal",
    text,
    actor: { type: "agent", id: agentOf(session), name: agentOf(session) },
    data: {
      ...(kind === "wrap_up" ? { kind: "wrap_up" } : {}),
      ...(kind === "promise" ? { promise: id, due } : {}),
      ...(handoff ? { handoff: handoff.id } : {}),
    },
  };
}

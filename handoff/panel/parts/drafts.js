// @ts-check
/** Notes that agents have typed and not added yet. Memory only: they are about customers, and nothing goes to disk. */

import { agentOf } from "../data/handoffs.js";

/** @typedef {{kind: string, text: string, due: string, id: string}} Draft `id` is that of the touchpoint it becomes */

/** @type {Map<string, Draft>} */
const drafts = new Map();

/**
 * The draft of an agent for what an element shows. It survives whatever rebuilds the form.
 * @param {string} agent
 * @param {import("../data/reading.js").Target} target
 */
export function draftOf(agent, target) {
  const key = JSON.stringify([agent, target]);
  const draft = drafts.get(key) ?? { kind: "note", text: "", due: "", id: freshId() };
  drafts.set(key, draft);
  return draft;
}

/** The draft was added. @param {Draft} draft */
export function clear(draft) {
  draft.text = draft.due = "";
  draft.id = freshId();
}

/**
 * An unsaved draft that may be about the handoff: of the story of this handoff or customer, or of one looked up by identity.
 * @param {import("../data/api.js").Session} session
 * @param {import("../data/types.js").Handoff} handoff
 */
export function draftAbout(session, handoff) {
  const me = agentOf(session);
  for (const [key, draft] of drafts) {
    const [agent, target] = JSON.parse(key);
    const about = target.identity || target.handoff === handoff.id || target.customer === handoff.customer_id;
    if (agent === me && about && draft.text.trim()) return draft;
  }
  return null;
}

export function hasDrafts() {
  return [...drafts.values()].some((it) => it.text.trim());
}

/** `crypto.randomUUID` is unavailable over plain HTTP. */
export function freshId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `panel-${Array.from(bytes, (it) => it.toString(16).padStart(2, "0")).join("")}`;
}

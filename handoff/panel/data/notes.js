// @ts-check
/** Agents' additions to a customer's history: notes, promises, and wrap-ups, each as a touchpoint. */

import { agentOf } from "./handoffs.js";

/**
 * The body of `POST /v1/touchpoints` for the agent's text.
 * @param {import("./types.js").Context} context
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

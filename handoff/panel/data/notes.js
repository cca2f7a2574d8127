// @ts-check
/** Agents' additions to a customer's history: notes, promises, wrap-ups, and verdicts on lines, each as a touchpoint. */

import { agentOf } from "./handoffs.js";

/** @typedef {import("./types.js").Context} Context */
/** @typedef {import("./types.js").Handoff} Handoff */
/** @typedef {import("./api.js").Session} Session */

/**
 * The body of `POST /v1/touchpoints` for the agent's text.
 * @param {Context} context
 * @param {Handoff | null} handoff
 * @param {Session} session
 * @param {{kind: string, text: string, due: string | null, id: string}} given
 */
export function touchpointOf(context, handoff, session, { kind, text, due, id }) {
  const promise = kind === "promise";
  const data = { ...(kind === "wrap_up" ? { kind: "wrap_up" } : {}), ...(promise ? { promise: id, due } : {}) };
  const type = promise ? "promise.made" : "note.added";
  return agentsTouchpoint(context, handoff, session, { id, type, direction: promise ? "outbound" : "internal", text, data });
}

/**
 * A touchpoint by the agent, filed under the customer's surest identity.
 * @param {Context} context
 * @param {Handoff | null} handoff
 * @param {Session} session
 * @param {{id: string, type: string, direction: string, visibility?: string, text?: string, data: object}} given
 */
export function agentsTouchpoint(context, handoff, session, { data, ...given }) {
  const customer = /** @type {import("./types.js").Customer} */ (context.customer);
  const order = ["user", "email", "phone"];
  const place = (/** @type {string} */ type) => (order.includes(type) ? order.indexOf(type) : order.length);
  const sure = (/** @type {string} */ it) => (it === "verified" ? 0 : 1);
  const [home] = [...customer.identities].sort((one, other) => sure(one.assurance) - sure(other.assurance) || place(one.type) - place(other.type));
  return {
    visibility: "internal",
    ...given,
    channel: handoff?.to.channel ?? context.timeline?.touchpoints[0]?.channel ?? "chat",
    occurred_at: new Date().toISOString(),
    identities: [{ type: home.type, space: home.space, value: home.value, assurance: home.assurance }],
    actor: { type: "agent", id: agentOf(session), name: agentOf(session) },
    data: { ...data, ...(handoff ? { handoff: handoff.id } : {}) },
  };
}

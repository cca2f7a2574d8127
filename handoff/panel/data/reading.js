// @ts-check
/** Read a customer's context by handoff, customer or identity, together with the session. */

import { readAhead, takeAhead } from "./ahead.js";
import { path } from "./api.js";
import { agentOf, isPending } from "./handoffs.js";
import { PAGE } from "./pages.js";

/** @typedef {import("./types.js").Context} Context */
/** @typedef {import("./types.js").Handoff} Handoff */
/** @typedef {{handoff: string | null, customer: string | null, identity: string | null}} Target the first one set is used */
/** @typedef {{session: import("./api.js").Session, handoff: Handoff | null, context: Context}} Reading */

/** @param {Element} element @returns {Target} */
export function targetOf(element) {
  return { handoff: element.getAttribute("handoff"), customer: element.getAttribute("customer"), identity: element.getAttribute("identity") };
}

/**
 * Everything shown on load. If no handoff is named, the handoff is the one that the agent owns, else one that waits,
 * first one that is offered to the agent.
 * @param {import("./api.js").Api} api
 * @param {Target} target
 * @returns {Promise<Reading>}
 */
export async function read(api, target) {
  const { handoff: id } = target;
  const ahead = id ? takeAhead(api, id) : null;
  const [session, named, context] = await Promise.all([
    api.session(),
    id ? (ahead?.handoff ?? api.get(path`/v1/handoffs/${id}`)) : null,
    ahead?.context?.catch(() => contextOf(api, target)) ?? contextOf(api, target),
  ]);
  const mine = agentOf(session);
  const owned = context.handoffs?.find((it) => it.owner === mine);
  const waiting = (context.handoffs ?? []).filter(isPending);
  const offered = waiting.find((it) => it.state === "offered" && it.to.agent === mine);
  return { session, context, handoff: named ?? owned ?? offered ?? waiting[0] ?? null };
}

/** Begin to read the story of a handoff that the agent accepts. @param {import("./api.js").Api} api @param {string} id */
export function prepare(api, id) {
  readAhead(api, id, contextOf(api, { handoff: id, customer: null, identity: null }));
}

/** @param {import("./api.js").Api} api @param {Target} target @returns {Promise<Context>} */
function contextOf(api, { handoff, customer, identity }) {
  const query = { limit: PAGE };
  if (handoff) return api.get(path`/v1/handoffs/${handoff}/context`, query);
  if (customer) return api.get(path`/v1/customers/${customer}/context`, query);
  return api.get("/v1/context", { identity: identity ?? "", ...query });
}

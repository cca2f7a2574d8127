// @ts-check
/** Who it is: identities and how sure each is, who it may be besides, and what contradicts. */

import { path } from "./api.js";
import { button, h, handle, said } from "./dom.js";

/** @typedef {import("./types.js").Customer} Customer */
/** @typedef {import("./types.js").Candidate} Candidate */
/** @typedef {import("./brief.js").Voice} Voice */

/** @param {Customer} customer */
export function nameOf(customer) {
  const { traits, identities } = customer;
  const whole = [traits.first_name ?? traits.firstName, traits.last_name ?? traits.lastName].filter(Boolean).join(" ");
  const stated = [traits.name, traits.full_name, whole].find((it) => typeof it === "string" && it.trim());
  const sure = [...identities].sort((one, other) => rank(other) - rank(one));
  return stated ?? sure[0]?.value ?? customer.id;
}

/** @param {import("./types.js").Identity} it */
function rank(it) {
  const kinds = ["user", "email", "phone"];
  return (it.assurance === "verified" ? 10 : 0) - (kinds.includes(it.type) ? kinds.indexOf(it.type) : 5);
}

/** Ids that systems make are long and say nothing to a person: their beginning is enough here.
 * @param {import("./types.js").Identity} it */
function shown(it) {
  const made = place(it) === 3 && it.value.length > 16;
  const element = handle(made ? `${it.value.slice(0, 8)}…` : it.value);
  if (made) element.title = it.value;
  return element;
}

/** Those a person would say first. @param {import("./types.js").Identity} it */
function place(it) {
  const found = ["user", "email", "phone"].indexOf(it.type);
  return found < 0 ? 3 : found;
}

/**
 * Who it is; where several may be meant, who they are.
 * @param {import("./types.js").Context} context
 * @param {Voice} voice
 * @param {(customer: string) => void} open
 * @param {((candidate: Candidate, yes: boolean) => void) | null} decide null where the agent may not
 */
export function whoPart(context, voice, open, decide) {
  const { words } = voice;
  const { customer } = context;
  if (!customer) {
    const choice = (/** @type {Candidate} */ it) => h("li", {}, button(it.identity, () => open(it.customer_id)), h("span", { class: "quiet" }, said(it.reason)));
    return [
      h("h2", {}, words.text(context.match === "several" ? "who.several" : "who.none")),
      context.question ? h("p", {}, said(context.question)) : null,
      context.candidates?.length ? h("ul", { class: "candidates" }, context.candidates.map(choice)) : null,
    ];
  }
  const sure = context.match_assurance;
  const match = sure && sure !== "verified" ? words.text("who.match", { assurance: words.name("assurance", sure) }) : null;
  return [
    h("h2", {}, said(nameOf(customer)), h("span", { class: `match ${sure ?? ""}` }, match)),
    identityList(customer, voice),
    customer.candidates.length ? candidateList(customer.candidates, voice, decide) : null,
    warnings(customer, voice),
  ];
}

/** @param {Customer} customer @param {Voice} voice */
export function identityList(customer, { words, times }) {
  const marks = { verified: "✓", claimed: "?", inferred: "~" };
  const ordered = [...customer.identities].sort((one, other) => place(one) - place(other));
  const items = ordered.map((it) =>
    h(
      "li",
      { class: `identity ${it.assurance}`, title: words.text("who.via", { via: it.via, at: times.short(it.since) }) },
      h("span", { class: "kind" }, words.name("identity", it.type)),
      " ",
      shown(it),
      " ",
      h("span", { class: "sure" }, h("span", { "aria-hidden": "true" }, /** @type {any} */ (marks)[it.assurance] ?? ""), h("span", { class: it.assurance === "verified" ? "hidden" : "" }, ` ${words.name("assurance", it.assurance)}`)),
    ),
  );
  return h("ul", { class: "identities", "aria-label": words.text("who.identities") }, items);
}

/**
 * Candidates with what an agent may say of them.
 * @param {Candidate[]} candidates
 * @param {Voice} voice
 * @param {((candidate: Candidate, yes: boolean) => void) | null} decide
 */
export function candidateList(candidates, { words }, decide) {
  return h(
    "ul",
    { class: "candidates" },
    candidates.map((it) =>
      h(
        "li",
        {},
        h("span", {}, words.nodes("who.candidate", { identity: handle(it.identity), count: it.touchpoints })),
        h("span", { class: "quiet" }, said(it.reason)),
        decide
          ? h(
              "span",
              { class: "moves" },
              button(words.text("who.confirm"), () => decide(it, true), { "aria-label": words.text("who.confirm.this", { identity: it.identity }) }),
              button(words.text("who.refuse"), () => decide(it, false), { "aria-label": words.text("who.refuse.this", { identity: it.identity }) }),
            )
          : null,
      ),
    ),
  );
}

/** @param {Customer} customer @param {Voice} voice */
export function warnings(customer, { words }) {
  const conflicts = customer.conflicts.map((it) =>
    h("li", {}, words.nodes("who.conflict", { identity: handle(it.identity), other: handle(it.other), why: words.name("conflict", it.reason) })),
  );
  if (customer.shared) conflicts.unshift(h("li", {}, words.text("who.shared")));
  return conflicts.length ? h("ul", { class: "warnings" }, conflicts) : null;
}

/**
 * What the agent found out: the candidate is this customer, or is not.
 * @param {import("./api.js").Api} api
 * @param {Customer} customer
 * @param {Candidate} candidate
 * @param {boolean} yes
 * @param {string} reason
 */
export async function decide(api, customer, candidate, yes, reason) {
  if (yes) {
    await api.post(path`/v1/customers/${customer.id}/links`, { identity: candidate.identity, reason });
    return;
  }
  for (const link of candidate.links) await api.post(path`/v1/customers/${customer.id}/links/${link}/withdraw`, { reason });
}

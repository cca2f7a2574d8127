// @ts-check
/** The customer: identities with their assurance, candidates, and conflicts. */

import { path } from "../data/api.js";
import { button, h, handle, userText } from "../dom/dom.js";
import { customerName, isGenerated, place } from "./names.js";

/** @typedef {import("../data/types.js").Customer} Customer */
/** @typedef {import("../data/types.js").Candidate} Candidate */
/** @typedef {import("../dom/element.js").Locale} Locale */
/** @typedef {{candidate: Candidate, forecast: import("../data/types.js").Forecast, reasons: {text: string}[]}} Preview */

/** An identity's value. Generated ids mean nothing to people: its kind must do.
 * @param {import("../data/types.js").Identity} it */
function shown(it) {
  return isGenerated(it.value) ? null : handle(it.value);
}

/**
 * The customer, or the choice between several that match.
 * @param {import("../data/types.js").Context} context
 * @param {Locale} locale
 * @param {(customer: string) => void} open
 * @param {((candidate: Candidate, yes: boolean) => void) | null} decide null if the agent may not decide
 */
export function whoPart(context, locale, open, decide) {
  const { words } = locale;
  const { customer } = context;
  if (!customer) {
    const choice = (/** @type {Candidate} */ it) => h("li", {}, button(it.identity, () => open(it.customer_id)), h("span", { class: "quiet" }, userText(it.reason)));
    return [
      h("h2", {}, words.text(context.match === "several" ? "who.several" : "who.none")),
      context.question ? h("p", {}, userText(context.question)) : null,
      context.candidates?.length ? h("ul", { class: "candidates" }, context.candidates.map(choice)) : null,
    ];
  }
  const sure = context.match_assurance;
  const match = sure && sure !== "verified" ? words.text("who.match", { assurance: words.name("assurance", sure) }) : null;
  return [
    h(
      "div",
      { class: "who-line" },
      h("h2", {}, userText(customerName(customer, words)), match ? h("span", { class: `match ${sure}` }, match) : null),
      identityList(customer, locale),
    ),
    customer.candidates.length ? candidateList(customer.candidates, locale, decide) : null,
    sharedList(customer, locale),
    warnings(customer, locale),
  ];
}

/** The identities that the customer shares with others, with their unassigned touchpoints.
 * @param {Customer} customer @param {Locale} locale */
function sharedList(customer, { words, times }) {
  const items = (customer.shared_identities ?? []).map((it) =>
    h(
      "li",
      {},
      h("span", {}, words.nodes("who.shared.identity", { identity: handle(it.identity), count: it.unattributed })),
      it.newest.length
        ? h("ul", { class: "quiet" }, it.newest.map((one) => h("li", {}, `${times.short(one.occurred_at)} `, userText(one.text ?? one.subject ?? words.name("type", one.type)))))
        : null,
    ),
  );
  return items.length ? h("ul", { class: "shared" }, items) : null;
}

/** @param {Customer} customer @param {Locale} locale */
function identityList(customer, { words, times }) {
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
 * Candidates, with buttons to confirm or refuse each.
 * @param {Candidate[]} candidates
 * @param {Locale} locale
 * @param {((candidate: Candidate, yes: boolean) => void) | null} decide
 */
function candidateList(candidates, { words }, decide) {
  return h(
    "ul",
    { class: "candidates" },
    candidates.map((it) =>
      h(
        "li",
        decide ? { onkeydown: byKey((yes) => decide(it, yes)) } : {},
        h("span", {}, words.nodes("who.candidate", { identity: handle(it.identity), count: it.touchpoints })),
        h("span", { class: "quiet" }, userText(it.reason)),
        decide
          ? h(
              "span",
              { class: "moves" },
              button(words.text("who.confirm"), () => decide(it, true), { "aria-label": words.text("who.confirm.this", { identity: it.identity }), "aria-keyshortcuts": "y" }),
              button(words.text("who.refuse"), () => decide(it, false), { "aria-label": words.text("who.refuse.this", { identity: it.identity }), "aria-keyshortcuts": "n" }),
            )
          : null,
      ),
    ),
  );
}

/** `y` and `n` while the focus is in a candidate. @param {(yes: boolean) => void} decide */
function byKey(decide) {
  return (/** @type {KeyboardEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !["y", "n"].includes(event.key)) return;
    event.preventDefault();
    decide(event.key === "y");
  };
}

/** @param {Customer} customer @param {Locale} locale */
function warnings(customer, { words }) {
  const conflicts = customer.conflicts.map((it) =>
    h("li", {}, words.nodes("who.conflict", { identity: handle(it.identity), other: handle(it.other), why: words.name("conflict", it.reason) })),
  );
  if (customer.shared) conflicts.unshift(h("li", {}, words.text("who.shared")));
  return conflicts.length ? h("ul", { class: "warnings" }, conflicts) : null;
}

/**
 * The preview of a join: its reasons, the identities of the joined customer, and two buttons.
 * @param {Preview} preview
 * @param {Locale} locale
 * @param {() => void} join
 * @param {() => void} cancel
 */
export function joiningPart({ candidate, forecast, reasons }, { words }, join, cancel) {
  const parts = forecast.after.map((part) =>
    h("li", {}, words.nodes("who.joined", { identities: part.identities.join(", "), count: part.touchpoints })));
  return h(
    "section",
    { class: "joining", "aria-label": words.text("who.joining") },
    h("p", {}, words.text("who.joining")),
    h("ul", {}, parts),
    reasons.length ? h("ul", { class: "quiet" }, reasons.map((it) => h("li", {}, userText(it.text)))) : null,
    h(
      "span",
      { class: "moves" },
      button(words.text("who.join"), join, { "aria-label": words.text("who.join.this", { identity: candidate.identity }) }),
      button(words.text("who.cancel"), cancel),
    ),
  );
}

/**
 * The effect of confirming a candidate, without confirming it, and the reasons for the candidate.
 * @param {import("../data/api.js").Api} api
 * @param {Customer} customer
 * @param {Candidate} candidate
 * @param {string} reason
 * @returns {Promise<Preview>}
 */
export async function preview(api, customer, candidate, reason) {
  const link = { identity: candidate.identity, reason };
  const forecast = await api.post(path`/v1/customers/${customer.id}/links?dry_run=true`, link);
  const found = await api.get(path`/v1/customers/${customer.id}/candidates`);
  const explained = found.candidates.find((/** @type {any} */ it) => it.customer_id === candidate.customer_id);
  return { candidate, forecast, reasons: explained?.reasons ?? [] };
}

/**
 * Confirm that the candidate is this customer, or withdraw the links that suggest it.
 * @param {import("../data/api.js").Api} api
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

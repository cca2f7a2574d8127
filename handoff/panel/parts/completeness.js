// @ts-check
/** A banner that lists sources with missing data, and a notice of deliveries that may be the customer's. */

import { dismiss, isDismissed } from "../data/dismissed.js";
import { button, h, userText } from "../dom/dom.js";

/** @typedef {import("../data/types.js").Context} Context */
/** @typedef {NonNullable<Context["completeness"]>["sources"][number]} Source */

/** The sources that concern the customer, without what changes nothing for them. @param {Context} context @returns {Source[]} */
export function concerningSources({ completeness }) {
  if (!completeness || completeness.state === "complete") return [];
  return completeness.sources.filter((it) => it.concerns).map((it) => ({ ...it, last_seen: it.last_seen && "" }));
}

/** @param {Context} context @param {string} agent who dismisses @param {import("../dom/element.js").Locale} locale */
export function completenessPart(context, agent, locale) {
  if (!context.completeness || context.completeness.state === "complete") return [];
  const sources = concerningSources(context);
  const late = sources.length === 0; // the server itself is behind
  return [banner(sources.filter(isCertain), late, locale), notice(context, sources, agent, locale)];
}

/** Whether a source lacks something beside deliveries that name nobody. @param {Source} source */
function isCertain(source) {
  return source.quarantined > source.possible || source.spooled > 0 || source.behind_s > 0 || (source.last_seen === null && !source.possible);
}

/** @param {Source[]} sources @param {boolean} late @param {import("../dom/element.js").Locale} locale */
function banner(sources, late, { words, times }) {
  if (!sources.length && !late) return null;
  const items = sources.map((it) => {
    const named = it.quarantined - it.possible;
    const facts = [
      named > 0 ? words.text("completeness.quarantined", { count: named }) : null,
      it.spooled ? words.text("completeness.spooled", { count: it.spooled }) : null,
      it.behind_s ? words.text("completeness.behind", { length: times.lasting(it.behind_s) }) : null,
      it.last_seen === null ? words.text("completeness.silent") : null,
    ];
    return h("li", {}, userText(it.name), `: ${facts.filter(Boolean).join(", ")}`);
  });
  return h("div", { class: "banner", role: "alert" }, h("strong", {}, words.text("completeness.degraded")), items.length ? h("ul", {}, items) : null);
}

/** @param {Context} context @param {Source[]} sources @param {string} agent @param {import("../dom/element.js").Locale} locale */
function notice(context, sources, agent, { words, times }) {
  const nameOf = (/** @type {Source} */ it) => [agent, context.customer?.id ?? "", it.name];
  const shown = sources.filter((it) => it.possible && it.newest_possible_at && !isDismissed(nameOf(it), it.newest_possible_at));
  if (!shown.length) return null;
  const items = shown.map((it) => h("li", {}, words.nodes("completeness.possible", {
    source: it.name,
    count: it.possible,
    at: times.element(/** @type {string} */ (it.newest_possible_at)),
  })));
  const close = () => {
    for (const it of shown) dismiss(nameOf(it), /** @type {string} */ (it.newest_possible_at));
    const next = element.closest(".story")?.querySelector(".who-part");
    element.remove();
    /** @type {HTMLElement | null | undefined} */ (next)?.focus(); // the button that had it is gone
  };
  const element = h("div", { class: "notice possible", role: "status" }, h("ul", {}, items), button(words.text("completeness.dismiss"), close));
  return element;
}

// @ts-check
/** A banner that lists sources with missing data. */

import { h, userText } from "../dom/dom.js";

/** @param {import("../data/types.js").Context} context @param {import("../dom/element.js").Locale} locale */
export function completenessBanner(context, { words, times }) {
  if (!context.completeness || context.completeness.state === "complete") return null;
  const sources = context.completeness.sources.filter((it) => it.quarantined || it.spooled || it.behind_s || !it.last_seen);
  const items = sources.map((it) => {
    const facts = [
      it.quarantined ? words.text("completeness.quarantined", { count: it.quarantined }) : null,
      it.spooled ? words.text("completeness.spooled", { count: it.spooled }) : null,
      it.behind_s ? words.text("completeness.behind", { length: times.lasting(it.behind_s) }) : null,
      it.last_seen ? null : words.text("completeness.silent"),
    ];
    return h("li", {}, userText(it.name), `: ${facts.filter(Boolean).join(", ")}`);
  });
  return h("div", { class: "banner", role: "alert" }, h("strong", {}, words.text("completeness.degraded")), items.length ? h("ul", {}, items) : null);
}

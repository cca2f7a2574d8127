// @ts-check
/** The places of `<handoff-context>`: which there are, and where each one goes. */

import { h } from "../dom/dom.js";

/** @param {import("../dom/element.js").Locale} locale */
export function contextPlaces({ words }) {
  return {
    status: h("p", { class: "status", role: "status" }),
    notice: h("p", { class: "notice", role: "status" }),
    connection: h("p", { class: "connection", role: "status" }),
    completeness: h("div", {}),
    who: h("section", { class: "who-part", tabindex: "-1", "aria-label": words.text("who.title") }),
    handoff: h("section", { class: "handoff-part", "aria-label": words.text("handoff.title") }),
    why: h("section", { class: "part why", "aria-label": words.text("brief.why_now") }),
    brief: h("div", { class: "brief" }),
    compare: h("div", {}),
    compose: h("section", { class: "part compose-part", "aria-label": words.text("compose.title") }),
    filters: h("div", { class: "filters", role: "group", "aria-label": words.text("filter.title") }),
    counted: h("p", { class: "quiet", role: "status" }),
    newer: h("div", { class: "newer" }),
    rest: h("div", { class: "rest" }),
  };
}

/**
 * @param {ReturnType<typeof contextPlaces>} places
 * @param {HTMLElement} timeline
 * @param {import("../dom/element.js").Locale} locale
 */
export function contextLayout(places, timeline, { words }) {
  const title = words.text("timeline.title");
  const left = h(
    "div",
    { class: "left" },
    places.notice,
    places.completeness,
    places.who,
    places.why,
    places.handoff,
    places.brief,
    places.compare,
    places.compose,
  );
  const right = h(
    "section",
    { class: "right", "aria-label": title },
    h("div", { class: "timeline-head" }, h("h3", {}, title), places.connection),
    places.filters,
    places.counted,
    places.newer,
    timeline,
    places.rest,
  );
  return h(
    "div",
    { class: "context", lang: words.language },
    places.status,
    h("div", { class: "story", hidden: true }, left, right),
  );
}

/**
 * @param {HTMLElement} place
 * @param {import("../data/live/live.js").State | "expired"} state
 * @param {import("../text/words.js").Words} words
 */
export function showConnection(place, state, words) {
  if (place.dataset.state === state) return;
  place.dataset.state = state;
  place.replaceChildren(h("span", { class: "dot", "aria-hidden": "true" }), words.text(`live.${state}`));
}

// @ts-check
/** The places of `<handoff-context>`: which there are, and where each one goes. */

import { button, h } from "../dom/dom.js";

/** @param {import("../dom/element.js").Locale} locale */
export function contextPlaces({ words }) {
  return {
    status: h("p", { class: "status", role: "status" }),
    notice: h("p", { class: "notice", role: "status" }),
    connection: h("p", { class: "connection", role: "status" }),
    completeness: h("div", {}),
    who: h("section", { class: "who-part", part: "who", tabindex: "-1", "aria-label": words.text("who.title") }),
    headline: h("div", {}),
    strip: h("ul", { class: "strip", part: "strip", "aria-label": words.text("alert.title") }),
    handoff: h("section", { class: "handoff-part", part: "handoff", "aria-label": words.text("handoff.title") }),
    ribbon: h("nav", { class: "ribbon", part: "ribbon", "aria-label": words.text("ribbon.title") }),
    why: h("section", { class: "part why", part: "brief-section why", "aria-label": words.text("brief.why_now") }),
    brief: h("div", { class: "brief", part: "brief" }),
    compare: h("div", {}),
    compose: h("section", { class: "part compose-part", part: "compose", "aria-label": words.text("compose.title") }),
    filters: h("div", { class: "filters", role: "group", "aria-label": words.text("filter.title") }),
    counted: h("p", { class: "quiet", role: "status" }),
    newer: h("div", { class: "newer" }),
    rest: h("div", { class: "rest" }),
  };
}

/**
 * The header and the actions above two columns: the brief, and the timeline.
 * @param {ReturnType<typeof contextPlaces>} places
 * @param {HTMLElement} timeline
 * @param {import("../dom/element.js").Locale} locale
 */
export function contextLayout(places, timeline, { words }) {
  const title = words.text("timeline.title");
  const heading = h("h3", { tabindex: "-1" }, title);
  const right = h(
    "section",
    { class: "right", part: "timeline", "aria-label": title },
    h("div", { class: "timeline-head" }, heading),
    places.filters,
    places.counted,
    places.newer,
    timeline,
    places.rest,
  );
  const left = h("div", { class: "left" }, places.completeness, places.why, places.brief, places.compare, places.compose);
  return h(
    "div",
    { class: "context", lang: words.language },
    places.status,
    h(
      "div",
      { class: "story", hidden: true },
      button(words.text("story.skip"), () => heading.focus(), { class: "skip" }),
      h("header", { class: "story-head", part: "header" }, places.who, places.headline, places.strip),
      h("div", { class: "actions", part: "actions" }, places.handoff, places.notice, places.connection),
      places.ribbon,
      h("div", { class: "columns" }, left, right),
    ),
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

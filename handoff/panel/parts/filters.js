// @ts-check
/** Filters of the loaded timeline (channels, kind and search text), and the way to a date. */

import { button, h } from "../dom/dom.js";

/** @typedef {import("./timeline.js").Filters} Filters */

/** @returns {Filters} that let everything pass */
export function noFilters() {
  return { channels: new Set(), kind: "", search: "", only: null };
}

/**
 * @param {string[]} channels present in the timeline
 * @param {string[]} kinds
 * @param {Filters} filters changed in place
 * @param {import("../text/words.js").Words} words
 * @param {{changed: () => void, toDay: (day: string) => void}} acts
 */
export function filterControls(channels, kinds, filters, words, { changed, toDay }) {
  const chips = channels.map((name) => {
    const chip = button(
      words.name("channel", name),
      () => {
        if (!filters.channels.delete(name)) filters.channels.add(name);
        chip.setAttribute("aria-pressed", String(filters.channels.has(name)));
        changed();
      },
      { class: "chip", "aria-pressed": String(filters.channels.has(name)), "data-channel": name },
    );
    return chip;
  });
  const options = kinds.map((it) => h("option", { value: it, selected: it === filters.kind }, words.text(`kind.${it}`)));
  const kind = h("select", { "aria-label": words.text("filter.kind") }, h("option", { value: "" }, words.text("filter.all")), options);
  kind.addEventListener("change", () => {
    filters.kind = kind.value;
    changed();
  });
  const search = h("input", { type: "search", placeholder: words.text("filter.search"), "aria-label": words.text("filter.search") });
  search.value = filters.search;
  search.addEventListener("input", () => {
    filters.search = search.value.trim().toLowerCase();
    changed();
  });
  const day = h("input", { type: "date", "aria-label": words.text("filter.day"), title: words.text("filter.day") });
  day.addEventListener("change", () => day.value && toDay(day.value));
  return [...chips, kind, search, day];
}

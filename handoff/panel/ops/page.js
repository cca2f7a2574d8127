// @ts-check
/**
 * The page `/panel/ops/` for operators: sources, quarantine, webhooks, and the server itself.
 *
 * `#section=quarantine&source=shop-chat`, `#language=fi`, `#zone=…`. `#token=…` is removed from the URL
 * immediately and kept in memory only. The token needs the scope `operate`, and `webhooks:write` for webhooks.
 */

import { Api } from "../data/api.js";
import { h } from "../dom/dom.js";
import { Words } from "../text/words.js";
import "./quarantine.js";
import "./sources.js";
import "./system.js";
import "./webhooks.js";
import { opsWords } from "./words.js";

/** The sections by group, in the order of the navigation. A group without sections is not shown. */
const GROUPS = Object.freeze({
  operations: ["sources", "quarantine", "webhooks", "system"],
  floor: [], // for leads: queues, agents, and waiting times
});
/** @type {readonly string[]} */
const SECTIONS = Object.values(GROUPS).flat();
const NAMES = Object.freeze(["section", "source", "language", "zone"]);

/** @type {Api | null} */
let api = null;
/** @type {Record<string, string>} */
let asked = {};
const main = /** @type {HTMLElement} */ (document.querySelector("main"));

/** Parameters in the fragment; the token does not stay there. */
function readFragment() {
  const given = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B"));
  const token = given.get("token");
  if (token) {
    given.delete("token");
    history.replaceState(null, "", given.size ? `#${given}` : location.pathname + location.search);
  }
  return { token, given };
}

/** @param {Record<string, string>} parameters */
function address(parameters) {
  return `#${new URLSearchParams(Object.entries(parameters).filter(([, value]) => value))}`;
}

/** @type {Words} set before anything is shown */
let words;

function section() {
  return SECTIONS.includes(asked.section) ? asked.section : "sources";
}

function show() {
  if (!api) return signIn();
  const name = section();
  const shown = /** @type {any} */ (main.querySelector(`ops-${name}`));
  if (shown?.api === api && ["language", "zone"].every((it) => (shown.getAttribute(it) ?? "") === asked[it])) {
    if (asked.source) shown.setAttribute("source", asked.source);
    else shown.removeAttribute("source");
    return;
  }
  const focused = main.contains(document.activeElement);
  const element = /** @type {any} */ (document.createElement(`ops-${name}`));
  for (const it of ["source", "language", "zone"]) if (asked[it]) element.setAttribute(it, asked[it]);
  element.api = api;
  const view = h("div", { id: "view", tabindex: "-1" }, element);
  const leave = h("a", { class: "leave", href: "../" }, words.text("page.panel"));
  const skip = h("a", { class: "skip", href: "#view" }, words.text("page.skip"));
  skip.addEventListener("click", (event) => {
    event.preventDefault();
    view.focus();
  });
  main.replaceChildren(skip, h("div", { class: "bar" }, h("h1", {}, words.text("page.title")), ...navigation(name), leave), view);
  document.title = `${words.text(`${name}.title`)} · ${words.text("page.title")}`;
  if (focused) view.focus();
}

/** @param {string} shown */
function navigation(shown) {
  const keep = { language: asked.language, zone: asked.zone };
  return Object.entries(GROUPS).filter(([, names]) => names.length).map(([group, names]) =>
    h("nav", { "aria-label": words.text(`group.${group}`) }, names.map((name) =>
      h("a", { href: address({ section: name, ...keep }), "aria-current": name === shown ? "page" : null }, words.text(`${name}.title`)))),
  );
}

/** Without a token there is nothing to show. @param {string} [problem] */
function signIn(problem) {
  const input = h("input", { type: "password", id: "token", autocomplete: "off", spellcheck: "false", "aria-describedby": "why" });
  const form = h("form", { class: "sign-in" }, h("h1", {}, words.text("page.title")), h("p", { role: "status", id: "why" }, problem ?? words.text("page.no_token")), h("label", { for: "token" }, words.text("page.token")), input, h("button", { type: "submit" }, words.text("page.open")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!input.value.trim()) return;
    open(input.value.trim());
    show();
  });
  main.replaceChildren(form);
  input.focus();
}

/** @param {string} token */
function open(token) {
  api = new Api(new URL("../..", document.baseURI).href, token);
}

/** The fragment is read at once: the token must not stay there while messages are loaded. */
async function take() {
  const { token, given } = readFragment();
  if (token) open(token);
  const now = Object.fromEntries(NAMES.map((name) => [name, given.get(name) ?? ""]));
  asked = now;
  const loaded = await opsWords(await Words.load(now.language || undefined));
  if (asked !== now) return; // a later change is on its way
  words = loaded;
  document.documentElement.lang = words.language;
  if (!api) document.title = words.text("page.title");
  show();
}

addEventListener("hashchange", take);
addEventListener("ops-go", (event) => {
  const { language, zone } = asked;
  location.hash = address({ ...(/** @type {CustomEvent} */ (event).detail), language, zone });
});
addEventListener("handoff-token-needed", () => {
  api = null;
  signIn(words.text("error.token"));
});
await take();

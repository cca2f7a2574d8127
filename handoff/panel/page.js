// @ts-check
/**
 * The page `/panel/`: the queue beside a customer's history. The URL or the embedding desktop selects what it shows.
 *
 * `#handoff=…`, `#identity=phone:+358…`, `#customer=…`, `#queue=refunds`, `#language=fi`, `#zone=…`, `#theme=dark`,
 * `#density=comfortable`.
 * `#token=…` is removed from the URL immediately and kept in memory only.
 */

import { Api } from "./data/api.js";
import { h } from "./dom/dom.js";
import "./context.js";
import "./queue.js";
import { hasDrafts } from "./parts/drafts.js";
import { Words } from "./text/words.js";

const TARGETS = Object.freeze(["handoff", "customer", "identity"]);
const NAMES = Object.freeze([...TARGETS, "queue", "language", "zone", "theme", "density"]);

/** Origins of desktops that may frame the panel and send it messages. */
const ORIGINS = new Set((document.querySelector("meta[name=handoff-origins]")?.getAttribute("content") ?? "").split(" ").filter(Boolean));
ORIGINS.add(location.origin);

const SIGN_IN = document.querySelector("meta[name=handoff-sign-in]")?.getAttribute("content") ?? "";
const DESKTOP_MS = 2000; // a desktop has this long to send a new token before the agent is asked

/** @type {Api | null} */
let api = null;
/** @type {Record<string, string>} */
let asked = {};

const main = /** @type {HTMLElement} */ (document.querySelector("main"));
const queue = document.createElement("handoff-queue");
const context = document.createElement("handoff-context");

/** Parameters in the fragment. A `+` there is a literal plus. */
function readFragment() {
  /** @type {Record<string, string>} */
  const found = {};
  for (const part of location.hash.slice(1).split("&")) {
    const at = part.indexOf("=");
    if (at > 0) found[part.slice(0, at)] = decoded(part.slice(at + 1));
  }
  if (found.token) {
    const rest = location.hash.slice(1).split("&").filter((it) => !it.startsWith("token="));
    history.replaceState(null, "", rest.length ? `#${rest.join("&")}` : location.pathname + location.search);
  }
  return found;
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @param {Record<string, unknown>} given */
function take(given) {
  const token = typeof given.token === "string" ? given.token : "";
  if (token) signedIn();
  if (token && api) api.renew(token);
  else if (token) api = new Api(new URL("..", document.baseURI).href, token);
  if (TARGETS.some((name) => typeof given[name] === "string")) for (const name of TARGETS) delete asked[name];
  for (const name of NAMES) if (typeof given[name] === "string") asked[name] = String(given[name]);
  show(Boolean(token));
}

/** @param {boolean} again even if only the token has changed */
function show(again) {
  for (const name of NAMES) {
    set(context, name, asked[name]);
    if (!TARGETS.includes(name)) set(queue, name, asked[name]);
  }
  set(queue, "selected", asked.handoff);
  document.documentElement.dataset.theme = asked.theme ?? "auto";
  const target = TARGETS.some((name) => asked[name]);
  const alone = target && asked.queue === undefined;
  main.dataset.shown = alone ? "story" : target ? "both" : "queue";
  if (!api) return signIn();
  if (again) for (const it of [queue, context]) /** @type {any} */ (it).api = api;
  place([...(alone || !target ? [] : [skip]), ...(alone ? [] : [queue]), ...(target ? [back, context] : [hint])]);
}

/** Show these elements. Those that stay are not moved: they would lose the focus and start again. @param {HTMLElement[]} wanted */
function place(wanted) {
  for (const it of [...main.childNodes]) if (!wanted.includes(/** @type {HTMLElement} */ (it))) it.remove();
  wanted.forEach((it, at) => main.childNodes[at] === it || main.insertBefore(it, main.childNodes[at] ?? null));
}

/** @param {Element} element @param {string} name @param {string | undefined} value */
function set(element, name, value) {
  if (value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

const hint = h("p", { class: "hint" });
const back = h("button", { type: "button", class: "back", onclick: () => {
  for (const name of TARGETS) delete asked[name];
  location.hash = address();
  show(false);
} });

/** From the queue to the story by one key. Its target has no address: the fragment has the parameters. */
const skip = h("a", { class: "skip", href: "#", onclick: (/** @type {Event} */ event) => {
  event.preventDefault();
  context.tabIndex = -1;
  context.focus();
} });

function address() {
  return NAMES.filter((name) => asked[name] !== undefined).map((name) => `${name}=${encodeURIComponent(asked[name])}`).join("&");
}

let words = await Words.load();

/** Without a token there is nothing to show. A desktop sends one, or a person signs in again or pastes one. */
function signIn() {
  const form = tokenForm(words.text("page.open"), h("h1", {}, words.text("page.title")), h("p", {}, words.text("page.no_token")));
  main.replaceChildren(form);
}

/** @param {string} label @param {...HTMLElement} head */
function tokenForm(label, ...head) {
  const input = h("input", { type: "password", id: "token", autocomplete: "off", spellcheck: "false" });
  const there = SIGN_IN && h("p", {}, h("a", { href: `${SIGN_IN}#${address()}`, target: "_top" }, words.text("page.sign_in")));
  const form = h("form", { class: "sign-in" }, ...head, there, h("label", { for: "token" }, words.text("page.token")), input, h("button", { type: "submit" }, label));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.value.trim()) take({ token: input.value.trim(), ...(Object.keys(asked).length ? {} : { queue: "" }) });
  });
  return form;
}

/** @type {HTMLElement | null} */
let renewal = null;
/** @type {number | undefined} */
let asking;

/** The session has expired: ask for a new token beside what is shown, unless the desktop sends one. */
function signInAgain() {
  notifyDesktop("handoff:token-needed");
  window.clearTimeout(asking);
  asking = window.setTimeout(() => {
    if (renewal || !api) return;
    const kept = hasDrafts() ? words.text("page.drafts_kept") : "";
    renewal = h("section", { class: "renewal", role: "alert" }, tokenForm(words.text("page.go_on"), h("p", {}, words.text("page.expired"), " ", kept)));
    document.body.insertBefore(renewal, main);
  }, desktopWindow() ? DESKTOP_MS : 0);
}

function signedIn() {
  window.clearTimeout(asking);
  if (renewal?.contains(document.activeElement)) main.focus();
  renewal?.remove();
  renewal = null;
}

addEventListener("message", (event) => {
  if (!ORIGINS.has(event.origin) || (event.source !== window.parent && event.source !== window.opener)) return;
  const data = event.data;
  if (typeof data !== "object" || data === null) return;
  if (data.type === "handoff:init" || data.type === "handoff:open" || data.type === "handoff:token") take(data);
});
addEventListener("hashchange", () => {
  const found = readFragment();
  if (Object.keys(found).length) take(found);
});
addEventListener("handoff-open", (event) => {
  take({ handoff: /** @type {CustomEvent} */ (event).detail.id, queue: asked.queue ?? "" });
  history.replaceState(null, "", `#${address()}`);
});
addEventListener("handoff-waiting", (event) => {
  const count = /** @type {CustomEvent} */ (event).detail;
  document.title = (count ? `(${count}) ` : "") + words.text("page.title");
});
addEventListener("handoff-token-needed", signInAgain);
addEventListener("beforeunload", (event) => {
  if (hasDrafts()) event.preventDefault(); // the browser asks whether to leave
});
addEventListener("handoff-changed", (event) => {
  const { id, state, version } = /** @type {CustomEvent} */ (event).detail;
  notifyDesktop("handoff:changed", { id, state, version });
});

/** The window of the embedding or opening desktop. @returns {Window | null} */
function desktopWindow() {
  return window.parent === window ? window.opener : window.parent;
}

/** Send a message to the embedding desktop, if its origin is allowed. @param {string} type @param {object} [more] */
function notifyDesktop(type, more = {}) {
  const desktop = desktopWindow();
  if (!desktop) return;
  const known = location.ancestorOrigins?.[0];
  const origins = known ? [known].filter((it) => ORIGINS.has(it)) : [...ORIGINS];
  for (const origin of origins) desktop.postMessage({ type, ...more }, origin);
}

const first = readFragment();
asked = Object.fromEntries(NAMES.filter((name) => first[name] !== undefined).map((name) => [name, first[name]]));
if (first.language) words = await Words.load(first.language);
document.documentElement.lang = words.language;
document.title = words.text("page.title");
back.textContent = words.text("page.back");
skip.textContent = words.text("page.skip");
hint.textContent = words.text("page.hint");
take(first);
notifyDesktop("handoff:ready");

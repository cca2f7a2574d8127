// @ts-check
/** The fields of a transfer: whom to, why, and what the next agent should know. */

import { button, h } from "../../dom/dom.js";
import { area } from "./moves.js";

/** @typedef {import("../../data/types.js").Handoff} Handoff */
/** @typedef {import("../../text/words.js").Words} Words */
/** @typedef {{name: string, value: string}} Extra */

const CHANNELS = Object.freeze(["web", "chat", "phone", "email"]);
const MAX_NAME = 200; // characters of a queue or an agent
const MAX_REASON = 2000;

/**
 * @param {Handoff} handoff
 * @param {import("../../data/api.js").Session} session
 * @param {Words} words
 * @param {Record<string, any>} values what was typed before
 * @returns {import("./moves.js").Fields}
 */
export function transferFields(handoff, session, words, values) {
  const queue = line(words.text("transfer.queue"), values, "queue", knownQueues(handoff, session));
  const agent = line(words.text("transfer.agent"), values, "agent", []);
  const channel = channelField(handoff, words, values);
  const reason = area(words.text("transfer.reason"), values, "reason", MAX_REASON);
  const extras = extraFields(words, values);
  const read = () => {
    const to = present({ queue: queue.input.value.trim(), agent: agent.input.value.trim(), channel: channel.input.value });
    if (!Object.keys(to).length) return { missing: words.text("transfer.needs_target"), at: queue.input };
    if (!reason.input.value.trim()) return { missing: words.text("transfer.needs_reason"), at: reason.input };
    return { to, reason: reason.input.value.trim(), context: extras.read() };
  };
  const hint = h("p", { class: "quiet" }, words.text("transfer.hint"));
  return { nodes: [queue.label, agent.label, channel.label, reason.label, extras.node, hint], first: queue.input, read };
}

/** @param {Record<string, string>} values */
function present(values) {
  return Object.fromEntries(Object.entries(values).filter(([, it]) => it));
}

/** @param {Handoff} handoff @param {import("../../data/api.js").Session} session */
function knownQueues(handoff, session) {
  const hops = handoff.hops.flatMap((it) => [it.from.queue, it.to.queue]);
  return [...new Set([...(session.queues ?? []), handoff.to.queue, handoff.from.queue, ...hops])].filter((it) => typeof it === "string");
}

/** @param {string} label @param {Record<string, any>} values @param {string} name @param {string[]} known */
function line(label, values, name, known) {
  const list = known.length ? h("datalist", { id: `known-${name}` }, known.map((it) => h("option", { value: it }))) : null;
  const input = h("input", { type: "text", maxlength: MAX_NAME, autocomplete: "off", spellcheck: "false", list: list && `known-${name}` });
  input.value = values[name] ?? "";
  input.addEventListener("input", () => { values[name] = input.value; });
  return { input, label: h("label", { class: "field" }, h("span", {}, label), input, list) };
}

/** @param {Handoff} handoff @param {Words} words @param {Record<string, any>} values */
function channelField(handoff, words, values) {
  const same = handoff.to.channel;
  const all = CHANNELS.filter((it) => it !== same).map((it) => h("option", { value: it }, words.name("channel", it)));
  const input = h("select", {}, h("option", { value: "" }, same ? words.text("transfer.same_channel", { channel: words.name("channel", same) }) : "–"), all);
  input.value = values.channel ?? "";
  input.addEventListener("change", () => { values.channel = input.value; });
  return { input, label: h("label", { class: "field" }, h("span", {}, words.text("transfer.channel")), input) };
}

/** Names and values for the next agent. @param {Words} words @param {Record<string, any>} values */
function extraFields(words, values) {
  /** @type {Extra[]} */
  const extras = (values.extras ??= []);
  const rows = h("div", { class: "extras" });
  const add = button(words.text("transfer.add"), () => {
    extras.push({ name: "", value: "" });
    show();
    /** @type {HTMLElement | undefined} */ ([...rows.querySelectorAll("input")].at(-2))?.focus();
  }, { class: "plain" });
  const show = () => rows.replaceChildren(...extras.map((it) => extraRow(it, words, () => {
    extras.splice(extras.indexOf(it), 1);
    show();
    add.focus();
  })));
  show();
  const node = h("fieldset", {}, h("legend", {}, words.text("transfer.context")), rows, add);
  const named = () => extras.map((it) => [it.name.trim(), it.value.trim()]).filter(([name]) => name);
  return { node, read: () => Object.fromEntries(named()) };
}

/** @param {Extra} extra @param {Words} words @param {() => void} remove */
function extraRow(extra, words, remove) {
  const part = (/** @type {"name" | "value"} */ which) => {
    const label = words.text(`transfer.${which}`);
    const input = h("input", { type: "text", "aria-label": label, placeholder: label, maxlength: which === "name" ? MAX_NAME : MAX_REASON });
    input.value = extra[which];
    input.addEventListener("input", () => { extra[which] = input.value; });
    return input;
  };
  return h("div", { class: "extra" }, part("name"), part("value"), button("×", remove, { class: "plain", "aria-label": words.text("transfer.remove") }));
}

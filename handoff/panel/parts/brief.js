// @ts-check
/** The brief, rendered from its codes and params in the agent's language. */

import { h, icon, textLink, userText } from "../dom/dom.js";

/** @typedef {import("../data/types.js").Line} Line */
/** @typedef {import("../dom/element.js").Locale} Locale */

/**
 * An agent's actions on a line. Without `report`, they may only read.
 * @typedef {object} LineActs
 * @property {(touchpoints: string[]) => void} jump show the evidence
 * @property {(line: Line, verdict: "wrong" | "confirmed" | "dismissed") => void} [report]
 * @property {(line: Line) => boolean} [mayJudge]
 * @property {(line: Line) => boolean} [isReported]
 */

const COUNTED = Object.freeze(["attempts", "transfers", "times"]); // params that the words of a line count

export const SECTIONS = ["wants", "tried", "answered", "promised", "known", "feelings"];

/**
 * @param {Line} line
 * @param {Locale} locale
 * @param {LineActs} acts
 * @param {string} [label] the kind of the line, where its section does not name it
 */
export function briefLine(line, locale, acts, label) {
  const { words } = locale;
  const proof = line.touchpoints.length;
  const repeated = repetitions(line);
  const content = [
    label ? h("span", { class: "kind" }, `${label}: `) : null,
    sentence(line, locale),
    " ",
    line.params.state ? h("span", { class: `state ${line.params.state}` }, words.name("state", line.params.state)) : null,
    repeated > 1 ? h("span", { class: "count" }, ` ${repeated}× `) : null,
    unsure(line.assurance, words),
    line.params.transcribed ? h("span", { class: "mark derived" }, derivation(line.params.transcribed, words)) : null,
  ];
  const keys = new Map([["w", "wrong"], ["y", "confirmed"], ["n", "dismissed"]]);
  const usable = line.candidate ? ["y", "n"] : ["w"];
  const shortcuts = acts.report && acts.mayJudge?.(line) ? usable.join(" ") : null;
  const onkeydown = (/** @type {KeyboardEvent} */ event) => {
    const verdict = /** @type {any} */ (keys.get(event.key));
    if (!verdict || !usable.includes(event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (!acts.isReported?.(line) && acts.mayJudge?.(line)) acts.report?.(line, verdict);
  };
  const text = proof
    ? textLink(content, () => acts.jump(line.touchpoints), {
        class: "line-text",
        title: words.text("brief.show", { count: proof }),
        "aria-keyshortcuts": shortcuts,
      })
    : h("span", { class: "line-text" }, content);
  return h(
    "li",
    { class: `line ${line.code}${line.assurance === "verified" ? "" : ` ${line.assurance}`}`, part: "line", ...(acts.report ? { onkeydown } : {}) },
    text,
    lineActs(line, locale, acts),
  );
}

/** Buttons that report a line as wrong, or confirm or dismiss a candidate. @param {Line} line @param {Locale} locale @param {LineActs} acts */
function lineActs(line, locale, { report, isReported, mayJudge }) {
  if (!report || !mayJudge?.(line)) return null;
  const { words } = locale;
  const text = plain(line, locale);
  if (isReported?.(line)) return h("span", { class: "line-acts" }, h("span", { class: "quiet" }, words.text("brief.reported")));
  const act = (/** @type {string} */ key, /** @type {"wrong" | "confirmed" | "dismissed"} */ verdict, /** @type {string} */ kind) =>
    h(
      "button",
      { type: "button", class: kind, "aria-label": words.text(`${key}.this`, { line: text }), title: words.text(`${key}.why`), onclick: () => report(line, verdict) },
      verdict === "wrong" ? icon("wrong") : words.text(key),
    );
  return h(
    "span",
    { class: "line-acts" },
    line.candidate ? [act("brief.confirm", "confirmed", "confirm"), act("brief.dismiss", "dismissed", "dismiss")] : act("brief.wrong", "wrong", "wrong"),
  );
}

/**
 * How often the line's fact occurred. `count` is that for what customers did; for a promise, a callback, and all
 * else that has a state or counts in its words, it is the number of steps.
 * @param {Line} line
 */
function repetitions({ count, params }) {
  if (params.state) return params.state === "missed" ? (params.missed ?? 0) : 0;
  return COUNTED.some((name) => params[name] !== undefined) ? 0 : count;
}

/** A label for anything that is not verified.
 * @param {string} assurance @param {import("../text/words.js").Words} words */
export function unsure(assurance, words) {
  if (assurance === "verified") return null;
  return h("span", { class: "unsure", title: words.text(`assurance.${assurance}.why`) }, words.name("assurance", assurance));
}

/** How a text was derived, and how sure it is.
 * @param {{kind: string, by: string, confidence: number | null, language?: string | null}} it
 * @param {import("../text/words.js").Words} words */
export function derivation({ kind, by, confidence, language }, words) {
  const sure = confidence === null ? "" : ".sure";
  const percent = confidence === 1 ? 100 : Math.min(Math.round(100 * (confidence ?? 0)), 99);
  return words.text(`derived.${kind}${sure}`, { by, percent, language: language ? languageName(language, words) : "?" });
}

/** A line as plain text, for copying and for button labels.
 * @param {Line} line @param {Locale} locale */
export function plain(line, locale) {
  return h("span", {}, sentence(line, locale)).textContent ?? "";
}

/**
 * A line in the agent's language.
 * @param {Line} line
 * @param {Locale} locale
 * @returns {(Node | string)[]}
 */
export function sentence(line, locale) {
  const { words, times } = locale;
  const key = form(line, words);
  if (!key) return [userText(line.text)];
  const values = { ...line.params };
  values.count = COUNTED.map((name) => line.params[name]).find((it) => it !== undefined) ?? 0;
  if (line.params.channel) values.channel = h("span", {}, words.name("channel", line.params.channel));
  if (line.code === "continues") values.from = words.name("channel", line.params.from);
  if (line.code === "code_refused") values.outcome = words.name("code", line.params.outcome);
  if (line.code === "waiting") {
    values.since = times.element(line.params.since, "short");
    values.length = times.element(line.params.since, "since");
  }
  if (line.params.due) values.due = times.element(line.params.due, "both");
  if (line.code === "fact") values.name = h("bdi", { class: "fact-name" }, line.params.name);
  if (line.params.before) values.before = line.params.before.join(", ");
  if (line.params.files) values.files = line.params.files.join(", ");
  if (line.params.others) {
    values.others = line.params.others.map((/** @type {string} */ code) => languageName(code, words)).join(", ");
  }
  if (line.params.language) values.language = languageName(line.params.language, words);
  for (const name of ["at", "since"]) {
    if (line.code !== "waiting" && line.params[name]) values[name] = times.element(line.params[name], "short");
  }
  return [...words.nodes(key, values), ...additions(line, words, values)];
}

/** Details after the text of a line: corrected numbers, files, the number of repeats, the answer.
 * @param {Line} line @param {import("../text/words.js").Words} words @param {import("../text/words.js").Values} values */
function additions(line, words, values) {
  const { params } = line;
  /** @type {(Node | string)[]} */
  const found = [];
  if (params.corrected) found.push(...words.nodes("line.with.corrected", { ...values, corrected: params.corrected.join(", ") }));
  if (params.files && line.code !== "sent_files") found.push(...words.nodes("line.with.files", values));
  if (params.question) found.push(...words.nodes("line.with.question", values));
  if (params.nudges) found.push(...words.nodes("line.with.nudges", { ...values, count: params.nudges }));
  if (params.nudge) found.push(...words.nodes("line.with.nudge", values));
  if (params.channels) found.push(...words.nodes("line.with.channels", { ...values, channels: params.channels.map((/** @type {string} */ it) => words.name("channel", it)).join(", ") }));
  if (params.also) found.push(...words.nodes("line.with.also", { ...values, also: waysOf(params, words) }));
  if (params.late) found.push(...words.nodes("line.with.late", values));
  if (params.answer && line.code !== "solved") found.push(...words.nodes("line.with.answer", values));
  if (params.voicemail) found.push(...words.nodes("line.with.voicemail", values));
  if (params.others) found.push(...words.nodes("line.with.others", values));
  return found;
}

/** The further ways of a line's touchpoints: channels, or sources on the line's own channel.
 * @param {Record<string, any>} params @param {import("../text/words.js").Words} words */
function waysOf(params, words) {
  const names = params.also.map((/** @type {{channel: string, source: string}} */ it) => (it.channel === params.channel ? it.source : words.name("channel", it.channel)));
  return [...new Set(names)].join(", ");
}

/** @param {string} code @param {import("../text/words.js").Words} words */
function languageName(code, words) {
  try {
    return new Intl.DisplayNames([words.tag], { type: "language" }).of(code) ?? code;
  } catch {
    return code;
  }
}

/** The message for the line's params; null if the code is unknown to this panel.
 * @param {Line} line @param {import("../text/words.js").Words} words */
function form(line, words) {
  const { params } = line;
  const key = `line.${line.code}`;
  const variants = [
    [`${key}.withheld`, params.withheld],
    [`${key}.automatic.only`, params.automatic && params.words === ""],
    [`${key}.automatic`, params.automatic],
    [`${key}.before`, params.before?.length],
    [`${key}.nothing`, params.results === 0],
    [`${key}.due`, params.due],
    [`${key}.answer`, params.answer],
    [`${key}.reason`, params.reason],
    [`${key}.words`, params.words],
    [`${key}.subject`, params.subject],
    [`${key}.scale`, params.score && params.out_of],
    [`${key}.only`, params.words === "" || params.error === "" || params.score === null || params.reason === ""],
  ];
  const found = variants.find(([name, fits]) => fits && words.has(name));
  if (found) return found[0];
  return words.has(key) ? key : null;
}

/**
 * The customer's effort so far, in one row.
 * @param {import("../data/types.js").Effort} effort
 * @param {Locale} locale
 */
export function effortRow(effort, locale) {
  const { words, times } = locale;
  const items = [
    effort.contacts ? words.text("effort.contacts", { count: effort.contacts }) : null,
    effort.channels.length ? effort.channels.map((it) => words.name("channel", it)).join(", ") : null,
    effort.switches ? words.text("effort.switches", { count: effort.switches }) : null,
    effort.transfers ? words.text("effort.transfers", { count: effort.transfers }) : null,
    effort.talks ? words.text("effort.talks", { count: effort.talks }) : null,
    effort.repeated ? words.text("effort.repeated", { count: effort.repeated }) : null,
  ];
  const shown = items.filter(Boolean).map((it) => h("li", {}, userText(it)));
  if (effort.since) shown.push(h("li", {}, words.nodes("effort.since", { at: times.element(effort.since, "ago") })));
  return h("ul", { class: "effort", "aria-label": words.text("effort.title") }, shown);
}

/**
 * The machine-written summary, and how far back the brief reaches.
 * @param {import("../data/types.js").Context} context
 * @param {Locale} locale
 */
export function briefEnd(context, { words, times }) {
  const older = context.left_out.brief_older_than;
  const summary = context.brief?.summary;
  if (!older && !summary) return null;
  return h(
    "div",
    {},
    summary ? h("p", {}, userText(summary.text), h("span", { class: "quiet" }, ` ${words.text("brief.machine", { by: summary.by })}`)) : null,
    older ? h("p", { class: "quiet" }, words.nodes("brief.older_than", { at: times.element(older) })) : null,
  );
}

/**
 * The brief as plain text, as the start of a wrap-up note.
 * @param {import("../data/types.js").Context} context
 * @param {Locale} locale
 */
export function wrapUpText(context, locale) {
  const { words } = locale;
  const lines = [];
  for (const name of ["why_now", ...SECTIONS]) {
    /** @type {Line[]} */
    const found = /** @type {any} */ (context.brief)?.[name] ?? [];
    if (found.length) lines.push(`${words.text(`brief.${name}`)}:`);
    for (const it of found) {
      const state = it.params.state ? ` – ${words.name("state", it.params.state)}` : "";
      const sure = it.assurance === "verified" ? "" : ` (${words.name("assurance", it.assurance)})`;
      lines.push(`- ${plain(it, locale)}${state}${sure}`);
    }
  }
  return lines.join("\n");
}

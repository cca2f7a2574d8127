// @ts-check
/** The brief, rendered from codes and params in the agent's language. */

import { button, h, said } from "./dom.js";

/** @typedef {import("./types.js").Line} Line */
/** @typedef {{words: import("./words.js").Words, times: import("./times.js").Times}} Voice */

export const SECTIONS = ["wants", "tried", "answered", "promised", "known", "feelings"];

/**
 * @param {import("./types.js").Brief} brief
 * @param {Voice} voice
 * @param {(touchpoints: string[]) => void} jump
 */
export function briefSections(brief, voice, jump) {
  const { words } = voice;
  const shown = SECTIONS.filter((name) => /** @type {any} */ (brief)[name]?.length);
  return shown.map((name) => {
    /** @type {Line[]} */
    const lines = /** @type {any} */ (brief)[name];
    const left = brief.left_out?.[name];
    return h(
      "section",
      { class: `part ${name}`, "aria-labelledby": `brief-${name}` },
      h("h3", { id: `brief-${name}` }, words.text(`brief.${name}`)),
      h("ul", { class: "lines" }, lines.map((it) => briefLine(it, voice, jump))),
      left ? h("p", { class: "quiet" }, words.text("brief.left_out", { count: left })) : null,
    );
  });
}

/**
 * @param {Line} line
 * @param {Voice} voice
 * @param {(touchpoints: string[]) => void} jump
 */
export function briefLine(line, voice, jump) {
  const { words } = voice;
  const proof = line.touchpoints.length;
  return h(
    "li",
    { class: `line ${line.code}` },
    h(
      "span",
      { class: "line-text" },
      sentence(line, voice),
      " ",
      line.params.state ? h("span", { class: `state ${line.params.state}` }, words.name("state", line.params.state)) : null,
      line.count > 1 ? h("span", { class: "count" }, ` ${line.count}× `) : null,
      unsure(line.assurance, words),
    ),
    proof
      ? button("↓", () => jump(line.touchpoints), {
          class: "jump",
          "aria-label": words.text("brief.jump", { count: proof, line: plain(line, voice) }),
          title: words.text("brief.show", { count: proof }),
        })
      : null,
  );
}

/** The mark of what is not verified.
 * @param {string} assurance @param {import("./words.js").Words} words */
export function unsure(assurance, words) {
  if (assurance === "verified") return null;
  return h("span", { class: "unsure", title: words.text(`assurance.${assurance}.why`) }, words.name("assurance", assurance));
}

/** A line as plain words, for copying and for names of buttons.
 * @param {Line} line @param {Voice} voice */
export function plain(line, voice) {
  return h("span", {}, sentence(line, voice)).textContent ?? "";
}

/**
 * @param {Line} line
 * @param {Voice} voice
 * @returns {(Node | string)[]}
 */
function sentence(line, voice) {
  const { words, times } = voice;
  const key = form(line, words);
  if (!key) return [said(line.text)];
  const values = { ...line.params };
  values.count = line.params.attempts ?? line.params.transfers ?? line.params.times ?? 0;
  if (line.params.channel) values.channel = h("span", {}, words.name("channel", line.params.channel));
  if (line.code === "waiting") {
    values.since = times.element(line.params.since, "short");
    values.length = times.element(line.params.since, "since");
  }
  if (line.params.due) values.due = times.element(line.params.due, "both");
  if (line.code === "fact") values.name = h("bdi", { class: "fact-name" }, line.params.name);
  if (line.params.before) values.before = line.params.before.join(", ");
  if (line.params.files) values.files = line.params.files.join(", ");
  if (line.params.language) values.language = languageName(line.params.language, words);
  for (const name of ["at", "since"]) {
    if (line.code !== "waiting" && line.params[name]) values[name] = times.element(line.params[name], "short");
  }
  return [...words.nodes(key, values), ...additions(line, words, values)];
}

/** What stands behind the words of a line: files, how often it was repeated, the answer to it.
 * @param {Line} line @param {import("./words.js").Words} words @param {import("./words.js").Values} values */
function additions(line, words, values) {
  const { params } = line;
  /** @type {(Node | string)[]} */
  const found = [];
  if (params.files && line.code !== "sent_files") found.push(...words.nodes("line.with.files", values));
  if (params.nudges) found.push(...words.nodes("line.with.nudges", { ...values, count: params.nudges }));
  if (params.late) found.push(...words.nodes("line.with.late", values));
  if (params.answer && line.code !== "solved") found.push(...words.nodes("line.with.answer", values));
  return found;
}

/** @param {string} code @param {import("./words.js").Words} words */
function languageName(code, words) {
  try {
    return new Intl.DisplayNames([words.locale], { type: "language" }).of(code) ?? code;
  } catch {
    return code;
  }
}

/** Which message says it: that for what the line has, or none where its code is not known here.
 * @param {Line} line @param {import("./words.js").Words} words */
function form(line, words) {
  const { params } = line;
  const key = `line.${line.code}`;
  const variants = [
    [`${key}.withheld`, params.withheld],
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
 * What it has cost the customer, in one row.
 * @param {import("./types.js").Effort} effort
 * @param {Voice} voice
 */
export function effortRow(effort, voice) {
  const { words, times } = voice;
  const items = [
    effort.contacts ? words.text("effort.contacts", { count: effort.contacts }) : null,
    effort.channels.length ? effort.channels.map((it) => words.name("channel", it)).join(", ") : null,
    effort.switches ? words.text("effort.switches", { count: effort.switches }) : null,
    effort.transfers ? words.text("effort.transfers", { count: effort.transfers }) : null,
    effort.talks ? words.text("effort.talks", { count: effort.talks }) : null,
    effort.repeated ? words.text("effort.repeated", { count: effort.repeated }) : null,
  ];
  const shown = items.filter(Boolean).map((it) => h("li", {}, said(it)));
  if (effort.since) shown.push(h("li", {}, words.nodes("effort.since", { at: times.element(effort.since, "ago") })));
  return h("ul", { class: "effort", "aria-label": words.text("effort.title") }, shown);
}

/**
 * What a machine has summed up, and how far back the brief looks.
 * @param {import("./types.js").Context} context
 * @param {Voice} voice
 */
export function briefEnd(context, { words, times }) {
  const older = context.left_out.brief_older_than;
  const summary = context.brief?.summary;
  if (!older && !summary) return null;
  return h(
    "div",
    {},
    summary ? h("p", {}, said(summary.text), h("span", { class: "quiet" }, ` ${words.text("brief.machine", { by: summary.by })}`)) : null,
    older ? h("p", { class: "quiet" }, words.nodes("brief.older_than", { at: times.element(older) })) : null,
  );
}

/**
 * Everything an agent would write down at the end, as plain text.
 * @param {import("./types.js").Context} context
 * @param {Voice} voice
 */
export function wrapUpText(context, voice) {
  const { words } = voice;
  const lines = [];
  for (const name of ["why_now", ...SECTIONS]) {
    /** @type {Line[]} */
    const found = /** @type {any} */ (context.brief)?.[name] ?? [];
    if (found.length) lines.push(`${words.text(`brief.${name}`)}:`);
    for (const it of found) {
      const state = it.params.state ? ` – ${words.name("state", it.params.state)}` : "";
      const sure = it.assurance === "verified" ? "" : ` (${words.name("assurance", it.assurance)})`;
      lines.push(`- ${plain(it, voice)}${state}${sure}`);
    }
  }
  return lines.join("\n");
}

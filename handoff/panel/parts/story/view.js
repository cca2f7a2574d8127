// @ts-check
/** The story above and beside the timeline: the sentence, the alerts, the way through the channels, and the brief. */

import { may } from "../../data/handoffs.js";
import { h } from "../../dom/dom.js";
import { briefEnd, briefLine, effortRow } from "../brief.js";
import { freshId } from "../drafts.js";
import { lineKey, sendVerdict } from "./feedback.js";
import { alertsOf, alertStrip, headline } from "./headline.js";
import { briefParts } from "./matters.js";
import { journeyOf, ribbonPart } from "./ribbon.js";

/** @typedef {import("../../data/types.js").Context} Context */
/** @typedef {import("../../data/types.js").Handoff} Handoff */
/** @typedef {import("../../data/types.js").Line} Line */
/** @typedef {import("../../data/api.js").Session} Session */
/** @typedef {import("./feedback.js").Verdict} Verdict */

/**
 * @typedef {object} StoryOptions
 * @property {import("../../dom/element.js").Locale} locale
 * @property {import("../../dom/regions.js").Regions} regions `headline`, `strip`, `ribbon`, `why` and `brief`
 * @property {() => import("../../data/api.js").Api | null} api
 * @property {import("../history.js").CustomerHistory} history
 * @property {(text: string, error?: unknown) => void} judged a verdict about a line was stored, or was not
 */

export class StoryView {
  /** @type {Map<string, string>} lines that the agent has judged -> the touchpoint's id */ #judged = new Map();
  /** @type {HTMLElement | null} what led to the evidence that is shown */ #from = null;
  /** @type {{context: Context, handoff: Handoff | null, session: Session | null} | null} */ #shown = null;

  /** @param {StoryOptions} options */
  constructor({ locale, regions, api, history, judged }) {
    this.locale = locale;
    this.regions = regions;
    this.api = api;
    this.history = history;
    this.judged = judged;
    history.view.element.addEventListener("keydown", (event) => this.#back(event));
  }

  /** @param {Context} context @param {Handoff | null} handoff @param {Session | null} session */
  show(context, handoff, session) {
    this.#shown = { context, handoff, session };
    const { locale, regions } = this;
    const { customer, brief } = context;
    const stated = brief && [customer, brief.wants, brief.promised, untimed(brief.why_now), handoff?.reason];
    regions.show("headline", stated, () => [headline(context, handoff, locale)]);
    regions.show("strip", alertsOf(context), () => alertStrip(context, locale, (ids) => this.#jump(ids)));
    regions.show("ribbon", journeyOf(context), () => ribbonPart(context, locale, (step) => this.#follow(step)));
    this.#brief(context, session);
  }

  /** @param {Context} context @param {Session | null} session */
  #brief(context, session) {
    const { locale, regions } = this;
    const { brief, customer, left_out: left } = context;
    const writing = session && customer && may(session, "touchpoints:write");
    const deciding = session && customer && may(session, "handoffs:write");
    const acts = {
      jump: (/** @type {string[]} */ ids) => this.#jump(ids),
      ...(writing || deciding ? { report: (/** @type {Line} */ line, /** @type {Verdict} */ verdict) => this.#judge(line, verdict) } : {}),
      mayJudge: (/** @type {Line} */ line) => Boolean(line.candidate ? deciding : writing),
      isReported: (/** @type {Line} */ line) => this.#judged.has(lineKey(line)),
    };
    const why = /** @type {Line[]} */ (brief?.why_now ?? []);
    const effort = brief?.effort;
    const judged = [writing, deciding, [...this.#judged.keys()]];
    regions.show("why", [untimed(why), effort && { ...effort, waiting_minutes: 0, text: "" }, judged], () => [
      why.length || effort?.contacts ? h("h3", {}, locale.words.text("brief.why_now")) : null,
      why.length ? h("ul", { class: "lines" }, why.map((it) => briefLine(it, locale, acts))) : null,
      effort ? effortRow(effort, locale) : null,
    ]);
    const rest = brief && { ...brief, why_now: null, effort: null };
    regions.show("brief", brief && [rest, left.brief_older_than, judged], () =>
      brief ? [...briefParts(context, locale, acts), briefEnd(context, locale)] : []);
  }

  // --- To the evidence and back --------------------------------------------------------------------

  /** @param {string[]} ids */
  #jump(ids) {
    this.#leave();
    return this.history.jump(ids);
  }

  /** @param {import("./ribbon.js").Step} step */
  #follow(step) {
    if (step.touchpoint) return this.#jump([step.touchpoint]);
    this.#leave();
    return this.history.jumpTo(this.locale.times.dayKey(step.from));
  }

  /** Remember what had the focus. */
  #leave() {
    const root = /** @type {ShadowRoot} */ (this.history.view.element.getRootNode());
    this.#from = /** @type {HTMLElement | null} */ (root.activeElement);
  }

  /** Escape in the timeline leads back to the line. @param {KeyboardEvent} event */
  #back(event) {
    if (event.key !== "Escape" || !this.#from?.isConnected) return;
    this.#from.focus();
    this.#from = null;
  }

  // --- Agents' verdicts about lines -----------------------------------------------------------------

  /** Report a line as wrong, or confirm or dismiss a candidate. @param {Line} line @param {Verdict} verdict */
  async #judge(line, verdict) {
    const api = this.api();
    if (!this.#shown?.session || !api) return;
    const { context, handoff, session } = this.#shown;
    const id = freshId();
    this.#judged.set(lineKey(line), id);
    this.#brief(context, session);
    try {
      await sendVerdict(api, { context, handoff, session }, line, verdict, id);
      this.judged(this.locale.words.text(`brief.${verdict}.done`));
    } catch (error) {
      this.#judged.delete(lineKey(line));
      this.judged("", error);
    }
    if (this.#shown) this.#brief(this.#shown.context, this.#shown.session);
  }
}

/** Lines without what changes with the clock alone. @param {import("../../data/types.js").Brief["why_now"]} lines */
function untimed(lines) {
  return lines.map((it) => (it.code === "waiting" ? [it.params.since, it.touchpoints] : it));
}

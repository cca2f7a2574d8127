// @ts-check
/** Agents' verdicts about lines of the brief: wrong ones, and candidates confirmed or dismissed. */

import { agentsTouchpoint } from "../../data/notes.js";

/** @typedef {import("../../data/types.js").Line} Line */
/** @typedef {"wrong" | "confirmed" | "dismissed"} Verdict */

const MAX_LINE = 2000; // characters of a line that a report quotes

/** @param {Line} line */
export function lineKey(line) {
  return line.id ?? `${line.code} ${line.text}`;
}

/**
 * Send a verdict: a report of a wrong line, or the decision about a candidate.
 * @param {import("../../data/api.js").Api} api
 * @param {{context: import("../../data/types.js").Context, handoff: import("../../data/types.js").Handoff | null, session: import("../../data/api.js").Session}} origin
 * @param {Line} line
 * @param {Verdict} verdict
 * @param {string} id of the report, the same if it is sent again
 */
export async function sendVerdict(api, { context, handoff, session }, line, verdict, id) {
  const { customer } = context;
  if (line.candidate && line.id && customer && verdict !== "wrong") {
    const list = line.code === "complaint_candidate" ? "complaints" : "promises";
    const decision = verdict === "confirmed" ? "confirm" : "dismiss";
    await api.post(`/v1/customers/${customer.id}/${list}/${line.id}/${decision}`, {});
    return;
  }
  const data = { rule: line.code, line: line.text.slice(0, MAX_LINE) };
  const report = { id, type: "brief.line_wrong", direction: "internal", data };
  await api.post("/v1/touchpoints", agentsTouchpoint(context, handoff, session, report));
}

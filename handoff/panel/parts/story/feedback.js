// @ts-check
/** Agents' verdicts about lines of the brief: wrong ones, and candidates confirmed or dismissed. Each is a touchpoint. */

import { agentsTouchpoint } from "../../data/notes.js";

/** @typedef {import("../../data/types.js").Line} Line */
/** @typedef {"wrong" | "confirmed" | "dismissed"} Verdict */

const MAX_LINE = 2000; // characters of a line that a report quotes

/** @param {Line} line */
export function lineKey(line) {
  return line.id ?? `${line.code} ${line.text}`;
}

/**
 * The body of `POST /v1/touchpoints` for a verdict. A confirmed candidate becomes what it seemed to be.
 * @param {{context: import("../../data/types.js").Context, handoff: import("../../data/types.js").Handoff | null, session: import("../../data/api.js").Session}} origin
 * @param {Line} line
 * @param {Verdict} verdict
 * @param {string} id of the touchpoint, the same if it is sent again
 */
export function verdictOf({ context, handoff, session }, line, verdict, id) {
  const { words, due } = line.params;
  const candidate = line.candidate && line.id ? { candidate: line.id } : {};
  if (verdict !== "confirmed") {
    const data = { rule: line.code, line: line.text.slice(0, MAX_LINE), ...candidate };
    return agentsTouchpoint(context, handoff, session, { id, type: "brief.line_wrong", direction: "internal", data });
  }
  if (line.code === "complaint_candidate") {
    return agentsTouchpoint(context, handoff, session, { id, type: "complaint.opened", direction: "internal", visibility: "public", text: words, data: candidate });
  }
  const data = { promise: id, ...(due ? { due } : {}), ...candidate };
  return agentsTouchpoint(context, handoff, session, { id, type: "promise.made", direction: "outbound", text: words, data });
}

// @ts-check
/** Which handoff comes first, and why: pure functions of the handoffs and the time. */

import { isPending } from "../../data/handoffs.js";

/** @typedef {import("../../data/types.js").Handoff} Handoff */
/** @typedef {"ok" | "soon" | "overdue"} Pressure */
/** @typedef {{at: number, length: number}} Deadline both in milliseconds; `length` is the whole time of the step */
/** @typedef {(handoff: Handoff) => string | null | undefined} WaitingOf since when the customer waits for an answer; undefined before it was read */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const SOON_MS = MINUTE;
const SOON_PART = 0.25;
/** Up to how far away deadlines within which time count as equally near. */
const ALIKE = Object.freeze([[10 * MINUTE, 1000], [HOUR, MINUTE], [DAY, HOUR], [Infinity, DAY]]);
const FALLEN = Object.freeze(["declined", "expired", "failed"]);

/** When somebody has to accept the handoff; null once it is accepted or has ended. @param {Handoff} it @returns {Deadline | null} */
export function deadlineOf(it) {
  if (!isPending(it)) return null;
  const end = Date.parse(it.deadline);
  const offered = it.state === "offered" && it.offer_until ? Math.min(end, Date.parse(it.offer_until)) : null;
  const fallen = it.fallback_used > 0 ? it.history.findLast((step) => FALLEN.includes(step.state)) : null;
  const began = offered === null ? fallen : it.history.findLast((step) => step.state === "offered");
  const at = offered ?? end;
  return { at, length: Math.max(0, at - Date.parse(began?.at ?? it.requested_at)) };
}

/** @param {Deadline} deadline @param {number} now @returns {Pressure} */
export function pressureOf({ at, length }, now) {
  const left = at - now;
  if (left <= 0) return "overdue";
  return left < SOON_MS || left < length * SOON_PART ? "soon" : "ok";
}

/**
 * Handoffs by urgency: the nearest deadline first, then the longest wait of a customer, then the oldest request.
 * Deadlines that are minutes away count as equal within a minute, and those hours away within an hour: there the wait
 * decides.
 * @param {Handoff[]} handoffs @param {WaitingOf} waitingOf @param {number} now
 */
export function byUrgency(handoffs, waitingOf, now) {
  const ranked = handoffs.map((it) => ({ it, rank: rankOf(it, waitingOf(it), now) }));
  return ranked.sort((one, other) => compared(one.rank, other.rank)).map(({ it }) => it);
}

/** @param {Handoff} it @param {string | null | undefined} waiting @param {number} now */
function rankOf(it, waiting, now) {
  return [...nearnessOf(it, now), waiting ? Date.parse(waiting) : Infinity, Date.parse(it.requested_at), it.id];
}

/** @param {Handoff} it @param {number} now @returns {[number, number]} */
function nearnessOf(it, now) {
  const deadline = deadlineOf(it);
  if (!deadline) return [ALIKE.length, 0];
  const left = deadline.at - now;
  const tier = ALIKE.findIndex(([within]) => left <= within);
  return [tier, Math.floor(deadline.at / ALIKE[tier][1])];
}

/** @param {(number | string)[]} one @param {(number | string)[]} other */
function compared(one, other) {
  const at = one.findIndex((it, index) => it !== other[index]);
  return at < 0 ? 0 : one[at] < other[at] ? -1 : 1;
}

/**
 * The handoffs that are before others because their customers wait longer: of equally near deadlines, the first, once
 * the waits of all of them were read.
 * @param {Handoff[]} ordered @param {WaitingOf} waitingOf @param {number} now
 * @returns {Set<string>} ids
 */
export function longestWaits(ordered, waitingOf, now) {
  const isRead = (/** @type {Handoff} */ it) => waitingOf(it) !== undefined;
  /** @type {Map<string, Handoff[]>} */
  const equal = new Map();
  for (const it of ordered) {
    const near = nearnessOf(it, now).join();
    equal.set(near, [...(equal.get(near) ?? []), it]);
  }
  return new Set([...equal.values()].filter((all) => all.length > 1 && waitingOf(all[0]) && all.every(isRead)).map(([first]) => first.id));
}

/**
 * The order to show while the agent is in a row: known rows stay where they are, and new ones come in by their urgency,
 * but not above that row.
 * @param {Handoff[]} ordered by urgency
 * @param {string[]} shown ids in the order that is shown
 * @param {string | undefined} held the id of that row
 */
export function keepingRows(ordered, shown, held) {
  const urgency = new Map(ordered.map((it, index) => [it.id, index]));
  const place = new Map(shown.map((id, index) => [id, index]));
  const known = ordered.filter((it) => place.has(it.id));
  const rows = known.sort((one, other) => Number(place.get(one.id)) - Number(place.get(other.id)));
  for (const it of ordered.filter((one) => !place.has(one.id))) {
    const least = rows.findIndex((one) => one.id === held) + 1;
    const before = rows.findIndex((one, index) => index >= least && Number(urgency.get(one.id)) > Number(urgency.get(it.id)));
    rows.splice(before < 0 ? rows.length : before, 0, it);
  }
  return rows;
}

// @ts-check
/** The numbers that a reveal shows of a masked touchpoint, each with the words around it. */

/** @typedef {{name: string, before: string, number: string, after: string}} Revealed `name` is the member that has it */

const AROUND = 40; // characters beside a number
const SAME = 6; // characters between two masked ones of a number: separators
const KEPT_END = 4; // characters of an IBAN that readers see, and its country
const KEPT_START = 2;

/**
 * Masking keeps the length of a text and the order of members, so what differs are the numbers.
 * @param {unknown} masked
 * @param {unknown} real
 * @param {string} [name]
 * @returns {Revealed[]}
 */
export function revealedIn(masked, real, name = "") {
  if (typeof masked === "string" && (typeof real === "string" || typeof real === "number")) return inText(masked, String(real), name);
  if (typeof masked !== "object" || typeof real !== "object" || !masked || !real) return [];
  const seen = Object.entries(masked);
  return Object.entries(real).flatMap(([key, value], at) => {
    const [shown, before] = seen.find(([it]) => it === key) ?? seen[at] ?? [key, undefined];
    const inside = Array.isArray(real) ? name : key;
    return [...(shown.includes("*") ? inText(shown, key, name) : []), ...revealedIn(before, value, inside)];
  });
}

/** @param {string} masked @param {string} real @param {string} name @returns {Revealed[]} */
function inText(masked, real, name) {
  if (masked === real) return [];
  if (masked.length !== real.length) return [{ name, before: "", number: real, after: "" }];
  return runs(masked, real).map(([from, to]) => {
    const [start, end] = whole(real, from, to);
    const before = real.slice(Math.max(0, start - AROUND), start);
    const after = real.slice(end, end + AROUND);
    return { name, before: start > AROUND ? `…${before}` : before, number: real.slice(start, end), after: end + AROUND < real.length ? `${after}…` : after };
  });
}

/** The places where the texts differ. @param {string} masked @param {string} real @returns {[number, number][]} */
function runs(masked, real) {
  /** @type {[number, number][]} */
  const found = [];
  for (let at = 0; at < real.length; at += 1) {
    if (masked[at] === real[at]) continue;
    const last = found.at(-1);
    if (last && at - last[1] <= SAME) last[1] = at + 1;
    else found.push([at, at + 1]);
  }
  return found;
}

/** An IBAN with its country and its end, which were not masked. @param {string} real @param {number} from @param {number} to @returns {[number, number]} */
function whole(real, from, to) {
  const start = from - KEPT_START;
  if (start < 0 || !/^[a-z]{2}$/i.test(real.slice(start, from)) || /[0-9a-z]/i.test(real[start - 1] ?? "")) return [from, to];
  let end = to;
  for (let left = KEPT_END, at = to; left > 0 && at < real.length; at += 1) {
    if (!/[\p{L}\p{N}]/u.test(real[at])) continue;
    left -= 1;
    end = at + 1;
  }
  return [start, end];
}

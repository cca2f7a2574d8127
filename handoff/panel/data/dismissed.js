// @ts-check
/**
 * Notices that an agent has dismissed in this browser: for each the time of what was dismissed last, so that
 * something newer is shown. A notice is named by a hash, because nothing about customers goes to disk.
 */

const KEY = "handoff-dismissed";
const MOST = 200; // the oldest are forgotten first

/** @type {Map<string, string>} also used where the browser allows no storage */
let known = new Map();

/** Whether a notice was dismissed when it was as new as now, or newer. @param {string[]} notice @param {string} at RFC 3339 */
export function isDismissed(notice, at) {
  load();
  return (known.get(nameOf(notice)) ?? "") >= at;
}

/** @param {string[]} notice @param {string} at */
export function dismiss(notice, at) {
  load();
  const name = nameOf(notice);
  known.delete(name); // to the end
  known.set(name, at);
  for (const oldest of [...known.keys()].slice(0, -MOST)) known.delete(oldest);
  try {
    // eslint-disable-next-line no-restricted-properties -- hashes and times, no personal data
    localStorage.setItem(KEY, JSON.stringify([...known]));
  } catch {
    // it then lasts until the page is closed
  }
}

/** Other tabs may have dismissed something. */
function load() {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY) ?? "null");
    if (Array.isArray(stored)) known = new Map(stored.map(([name, at]) => [String(name), String(at)]));
  } catch {
    // a frame may have no access to storage
  }
}

/** 64 bits that identify a notice: two FNV-1a hashes. `crypto.subtle` is unavailable over plain HTTP. @param {string[]} notice */
function nameOf(notice) {
  const words = JSON.stringify(notice);
  return [0x811c9dc5, 0x050c5d1f].map((basis) => {
    let hash = basis;
    for (let at = 0; at < words.length; at += 1) hash = Math.imul(hash ^ words.charCodeAt(at), 0x01000193);
    return (hash >>> 0).toString(16).padStart(8, "0");
  }).join("");
}

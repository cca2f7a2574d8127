// @ts-check
/** Times in the agent's zone and language, absolute and relative. */

import { h } from "../dom/dom.js";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export class Times {
  /**
   * @param {string} language
   * @param {string | null} [zone] an IANA name; the browser's zone if missing or unknown
   */
  constructor(language, zone) {
    this.zone = known(zone);
    const timeZone = this.zone;
    this.language = language;
    this.formats = {
      clock: new Intl.DateTimeFormat(language, { timeStyle: "short", timeZone }),
      day: new Intl.DateTimeFormat(language, { weekday: "short", day: "numeric", month: "short", year: "numeric", timeZone }),
      whole: new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "long", timeZone }),
      short: new Intl.DateTimeFormat(language, { day: "numeric", month: "short", hour: "numeric", minute: "2-digit", timeZone }),
      dated: new Intl.DateTimeFormat(language, { day: "numeric", month: "short", year: "numeric", hour: "numeric", minute: "2-digit", timeZone }),
      same: new Intl.DateTimeFormat("en-CA", { dateStyle: "short", timeZone }),
      parts: new Intl.DateTimeFormat("en-CA", { dateStyle: "short", timeStyle: "medium", hour12: false, timeZone }),
      ago: new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" }),
    };
    /** @type {Map<string, Intl.NumberFormat>} by unit */ this.units = new Map();
  }

  /** @param {string} at */
  day(at) {
    return this.formats.day.format(new Date(at));
  }

  /** @param {string} at */
  dayKey(at) {
    return this.formats.same.format(new Date(at));
  }

  /** @param {string} at */
  clock(at) {
    return this.formats.clock.format(new Date(at));
  }

  /** The time of day, with the date unless it is today, and with the year unless it is this one.
   * @param {string} at */
  short(at) {
    const [now, then] = [this.dayKey(new Date().toISOString()), this.dayKey(at)];
    if (now === then) return this.formats.clock.format(new Date(at));
    return (now.slice(0, 4) === then.slice(0, 4) ? this.formats.short : this.formats.dated).format(new Date(at));
  }

  /** @param {string} at */
  ago(at) {
    const seconds = (Date.parse(at) - Date.now()) / 1000;
    const size = Math.abs(seconds);
    if (size < HOUR) return this.formats.ago.format(Math.trunc(seconds / MINUTE), "minute");
    if (size < DAY) return this.formats.ago.format(Math.trunc(seconds / HOUR), "hour");
    return this.formats.ago.format(Math.trunc(seconds / DAY), "day");
  }

  /** A duration: `46 min`, `3 h 10 min`, `2 days 5 h`.
   * @param {number} seconds */
  lasting(seconds) {
    if (seconds < HOUR) return this.#unit(Math.max(0, Math.trunc(seconds / MINUTE)), "minute");
    const [great, small, names] =
      seconds < DAY ? [HOUR, MINUTE, ["hour", "minute"]] : [DAY, HOUR, ["day", "hour"]];
    const rest = Math.trunc((seconds % great) / small);
    const whole = this.#unit(Math.trunc(seconds / great), names[0]);
    return rest ? `${whole} ${this.#unit(rest, names[1])}` : whole;
  }

  /** @param {number} count @param {string} unit */
  #unit(count, unit) {
    const format = this.units.get(unit) ?? new Intl.NumberFormat(this.language, { style: "unit", unit, unitDisplay: "short" });
    this.units.set(unit, format); // making one takes as long as a hundred uses
    return format.format(count);
  }

  /**
   * A `<time>` element; `keep` updates it.
   * @param {string} at RFC 3339
   * @param {"short" | "clock" | "ago" | "both" | "since"} form
   */
  element(at, form = "short") {
    if (Number.isNaN(Date.parse(at))) return h("bdi", {}, at);
    const element = h("time", { datetime: at, "data-form": form, title: this.formats.whole.format(new Date(at)) });
    element.textContent = this.#shown(at, form);
    return element;
  }

  /** Update every `<time>` under a root.
   * @param {ParentNode} root */
  keep(root) {
    for (const it of root.querySelectorAll("time[data-form]")) {
      const shown = this.#shown(String(it.getAttribute("datetime")), it.getAttribute("data-form"));
      if (it.textContent !== shown) it.textContent = shown;
    }
  }

  /** @param {string} at @param {string | null} form */
  #shown(at, form) {
    if (form === "clock") return this.clock(at);
    if (form === "ago") return this.ago(at);
    if (form === "since") return this.lasting((Date.now() - Date.parse(at)) / 1000);
    if (form === "both") return `${this.short(at)} (${this.ago(at)})`;
    return this.short(at);
  }

  /**
   * The value of `<input type=datetime-local>`, read in the agent's zone.
   * @param {string} local `2026-11-21T10:00`
   */
  fromLocal(local) {
    const wanted = Date.parse(`${local}:00Z`);
    let at = wanted;
    for (let turn = 0; turn < 2; turn += 1) at = wanted - this.#offset(at);
    return new Date(at).toISOString();
  }

  /** @param {number} at in ms; returns the zone's offset from UTC in ms */
  #offset(at) {
    const shown = this.formats.parts.format(new Date(at)).replace(", ", "T").replace("T24:", "T00:");
    return Date.parse(`${shown}Z`) - Math.trunc(at / 1000) * 1000;
  }
}

/** @param {string | null | undefined} zone */
function known(zone) {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: zone ?? undefined }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}

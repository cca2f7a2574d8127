// @ts-check
/**
 * A short sound when somebody new waits: off until the agent asks for it, made here and not fetched.
 *
 * What is remembered on this machine is one word, `on`, and nothing about anybody.
 */

import { button } from "./dom.js";

const KEY = "handoff-sound";
const NOTES = Object.freeze([
  [660, 0],
  [880, 0.14],
]); // Hz, and seconds from the beginning
const LASTS_S = 0.18;
const VOLUME = 0.15;

export class Sound {
  /** @type {AudioContext | null} */ #audio = null;
  on = remembered();

  /** Two notes, where it is on and the browser lets a page be heard. */
  play() {
    if (!this.on) return;
    const audio = (this.#audio ??= new AudioContext());
    audio.resume().catch(() => null); // a page that nobody has touched yet stays silent
    for (const [hertz, after] of NOTES) {
      const [from, until] = [audio.currentTime + after, audio.currentTime + after + LASTS_S];
      const tone = new OscillatorNode(audio, { frequency: hertz });
      const volume = new GainNode(audio, { gain: VOLUME });
      volume.gain.setValueAtTime(VOLUME, from);
      volume.gain.exponentialRampToValueAtTime(0.001, until); // without a click at the end
      tone.connect(volume).connect(audio.destination);
      tone.start(from);
      tone.stop(until);
    }
  }

  /** The switch; turning it on lets it be heard once. @param {import("./words.js").Words} words */
  control(words) {
    const control = button(
      words.text("queue.sound"),
      () => {
        this.on = !this.on;
        remember(this.on);
        control.setAttribute("aria-checked", String(this.on));
        this.play();
      },
      { class: "chip", role: "switch", "aria-checked": String(this.on) },
    );
    return control;
  }

  /** Let go of the machine's sound. */
  close() {
    this.#audio?.close();
    this.#audio = null;
  }
}

function remembered() {
  try {
    return localStorage.getItem(KEY) === "on";
  } catch {
    return false; // a frame may not be allowed to
  }
}

/** @param {boolean} on */
function remember(on) {
  try {
    // eslint-disable-next-line no-restricted-properties -- a choice for this machine, nothing about anybody
    if (on) localStorage.setItem(KEY, "on");
    else localStorage.removeItem(KEY);
  } catch {
    // it is as it is for as long as the page is open
  }
}

// @ts-check
/**
 * A short sound when a new handoff waits. It is synthesized here, and off until the agent turns it on.
 *
 * Local storage holds only the setting `on`, and no personal data.
 */

import { button } from "./dom.js";

const KEY = "handoff-sound";
const NOTES = Object.freeze([
  [660, 0],
  [880, 0.14],
]); // frequency in Hz, start in seconds
const LASTS_S = 0.18;
const VOLUME = 0.15;

export class Sound {
  /** @type {AudioContext | null} */ #audio = null;
  on = isStored();

  /** Play two notes, if the sound is on and the browser allows audio. */
  play() {
    if (!this.on) return;
    const audio = (this.#audio ??= new AudioContext());
    audio.resume().catch(() => null); // browsers block audio until the user interacts with the page
    for (const [hertz, after] of NOTES) {
      const [from, until] = [audio.currentTime + after, audio.currentTime + after + LASTS_S];
      const tone = new OscillatorNode(audio, { frequency: hertz });
      const volume = new GainNode(audio, { gain: VOLUME });
      volume.gain.setValueAtTime(VOLUME, from);
      volume.gain.exponentialRampToValueAtTime(0.001, until); // fades out to avoid a click
      tone.connect(volume).connect(audio.destination);
      tone.start(from);
      tone.stop(until);
    }
  }

  /** The switch. Turning it on plays the sound once. @param {import("../text/words.js").Words} words */
  control(words) {
    const control = button(
      words.text("queue.sound"),
      () => {
        this.on = !this.on;
        store(this.on);
        control.setAttribute("aria-checked", String(this.on));
        this.play();
      },
      { class: "chip", role: "switch", "aria-checked": String(this.on) },
    );
    return control;
  }

  /** Release the audio device. */
  close() {
    this.#audio?.close();
    this.#audio = null;
  }
}

function isStored() {
  try {
    return localStorage.getItem(KEY) === "on";
  } catch {
    return false; // a frame may have no access to storage
  }
}

/** @param {boolean} on */
function store(on) {
  try {
    // eslint-disable-next-line no-restricted-properties -- a setting, no personal data
    if (on) localStorage.setItem(KEY, "on");
    else localStorage.removeItem(KEY);
  } catch {
    // the setting then lasts until the page is closed
  }
}

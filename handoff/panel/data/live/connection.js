// @ts-check
/**
 * One stream of events for any number of topics, kept open: `POST /v1/events`, read over fetch, so that the token
 * travels in a header.
 *
 * A stream that ends or goes silent is opened again with the last position of each topic, so nothing is missed.
 * When the topics change, a new stream is opened, and the old one is closed once the new one is ready.
 */

import { Refused } from "../api.js";
import { Parser } from "./parser.js";

const SILENCE_MS = 25_000; // the server sends something every ten seconds
const PAUSES_MS = [300, 1000, 2000, 4000, 8000];
const GATHER_MS = 20; // one new stream covers topics that are added together
const LINGER_MS = 2000; // an element that starts again soon finds its topic still open
const TOPIC_GONE = Object.freeze([403, 404, 410, 422]);
const REFUSED = Object.freeze([401, 403]);
const SESSION_ENDED = Object.freeze({ status: 401, code: "session_ended" });

/**
 * @typedef {object} Listener
 * @property {(topic: string, type: string, data: any, position: string) => void} event
 * @property {(topics: string[]) => void} live all of these topics are live
 * @property {() => void} heard the server has sent something
 * @property {(failures: number) => void} lost there is no stream, and it is being opened again
 * @property {(topic: string | null, error: Refused) => void} refused the server refuses a topic, or with null everything
 */

export class Connection {
  /** @type {Map<string, string | null>} the topics, and the position to continue after */ #topics = new Map();
  /** @type {AbortController | null} the stream that is live */ #current = null;
  /** @type {AbortController | null} the stream that will replace it */ #next = null;
  /** @type {number | undefined} */ #timer;
  #failures = 0;
  #stopped = false;

  /** @param {import("../api.js").Api} api @param {Listener} listener */
  constructor(api, listener) {
    this.api = api;
    this.listener = listener;
  }

  /** Follow these topics and no others. Positions matter for new ones only. @param {Map<string, string | null>} wanted */
  follow(wanted) {
    const fresh = [...wanted].filter(([topic]) => !this.#topics.has(topic));
    const gone = [...this.#topics.keys()].filter((topic) => !wanted.has(topic));
    for (const [topic, position] of fresh) this.#topics.set(topic, position);
    for (const topic of gone) this.#topics.delete(topic);
    if (fresh.length) this.#openIn(GATHER_MS);
    else if (gone.length) this.#openIn(LINGER_MS);
  }

  stop() {
    this.#stopped = true;
    this.#close();
  }

  #close() {
    window.clearTimeout(this.#timer);
    this.#current?.abort();
    this.#next?.abort();
    this.#current = this.#next = null;
  }

  /** @param {number} after in milliseconds */
  #openIn(after) {
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#open(), after);
  }

  async #open() {
    this.#next?.abort();
    this.#next = null;
    if (this.#stopped) return;
    if (!this.#topics.size) return this.#close();
    const stream = (this.#next = new AbortController());
    /** @type {unknown} */
    let reason = null;
    try {
      await this.#read(stream);
    } catch (error) {
      reason = error;
    }
    if (this.#next !== stream && this.#current !== stream) return; // replaced, or stopped
    if (this.#next === stream) this.#next = null;
    else this.#current = null;
    stream.abort();
    this.#ended(reason);
  }

  /** @param {unknown} reason */
  #ended(reason) {
    if (reason instanceof Refused && reason.body.topic && TOPIC_GONE.includes(reason.status)) {
      this.#topics.delete(reason.body.topic);
      this.listener.refused(reason.body.topic, reason);
      return this.#openIn(0);
    }
    if (reason instanceof Refused && REFUSED.includes(reason.status)) {
      this.stop();
      return this.listener.refused(null, reason);
    }
    this.#failures += 1;
    if (!this.#current) this.listener.lost(this.#failures);
    const longest = PAUSES_MS[Math.min(this.#failures, PAUSES_MS.length) - 1];
    this.#openIn(longest * (0.5 + Math.random() / 2));
  }

  /** Read one stream to its end. @param {AbortController} stream */
  async #read(stream) {
    const stop = () => stream.abort(new DOMException("silent", "TimeoutError"));
    let silence = window.setTimeout(stop, SILENCE_MS);
    try {
      const topics = [...this.#topics].map(([topic, position]) => ({ topic, position }));
      const response = await this.api.stream(topics, stream.signal);
      if (!response.body) throw new TypeError("no stream");
      const parser = new Parser((type, data) => this.#receive(stream, type, JSON.parse(data)));
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        window.clearTimeout(silence);
        silence = window.setTimeout(stop, SILENCE_MS);
        this.listener.heard();
        parser.feed(value ?? "");
      }
    } finally {
      window.clearTimeout(silence);
    }
  }

  /** @param {AbortController} stream @param {string} type @param {any} given */
  #receive(stream, type, given) {
    if (stream.signal.aborted) return;
    if (type === "session_ended") throw new Refused(401, SESSION_ENDED);
    if (type === "ready") return this.#ready(stream, given.topics);
    if (type === "resume" || !this.#topics.has(given.topic)) return;
    this.#topics.set(given.topic, given.position);
    this.listener.event(given.topic, type, given.data, given.position);
  }

  /** @param {AbortController} stream @param {{topic: string, position: string}[]} topics */
  #ready(stream, topics) {
    this.#current?.abort();
    this.#current = stream;
    if (this.#next === stream) this.#next = null;
    this.#failures = 0;
    for (const { topic, position } of topics) if (this.#topics.get(topic) === null) this.#topics.set(topic, position);
    this.listener.live(topics.map((it) => it.topic));
  }
}

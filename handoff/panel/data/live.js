// @ts-check
/**
 * Server-Sent Events over fetch, so that the token travels in a header (WHATWG HTML §9.2).
 *
 * A stream that ends or goes silent is reopened with the id of the last event, so nothing is missed.
 * If streams cannot be opened, the reader polls instead.
 */

import { Refused } from "./api.js";

const SILENCE_MS = 25_000; // the server sends something every ten seconds
const PAUSES_MS = [300, 1000, 2000, 4000, 8000];
const FAILURES_BEFORE_POLLING = 3;
const POLL_MS = 10_000;

/** @typedef {"connecting" | "live" | "polling" | "lost" | "refused"} State */
/**
 * @typedef {object} Reader
 * @property {(type: string, data: any) => void} event
 * @property {(state: State, error?: Error) => void} state
 * @property {() => Promise<void>} poll reads once without a stream; throws if the server cannot be reached
 */

export class LiveStream {
  /**
   * @param {import("./api.js").Api} api
   * @param {string} path
   * @param {Reader} reader
   * @param {string | null} [lastId] the event to continue after
   */
  constructor(api, path, reader, lastId = null) {
    this.api = api;
    this.path = path;
    this.reader = reader;
    this.lastId = lastId;
    this.stopping = new AbortController();
  }

  start() {
    this.#run();
    return this;
  }

  stop() {
    this.stopping.abort();
  }

  async #run() {
    let failures = 0;
    let polled = 0;
    this.reader.state("connecting");
    while (!this.stopping.signal.aborted) {
      try {
        await this.#read(() => {
          failures = 0;
          this.reader.state("live");
        });
        failures = 0;
      } catch (error) {
        if (this.stopping.signal.aborted) return;
        if (error instanceof Refused && [401, 403, 404].includes(error.status)) {
          this.reader.state("refused", error);
          return;
        }
        failures += 1;
      }
      if (this.stopping.signal.aborted) return;
      if (failures >= FAILURES_BEFORE_POLLING && Date.now() - polled > POLL_MS) {
        polled = Date.now();
        await this.#poll();
      } else if (failures < FAILURES_BEFORE_POLLING) {
        this.reader.state("connecting");
      }
      await this.#pause(failures);
    }
  }

  async #poll() {
    try {
      await this.reader.poll();
      this.reader.state("polling");
    } catch {
      this.reader.state("lost");
    }
  }

  /** @param {number} failures */
  #pause(failures) {
    const longest = PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)];
    return new Promise((resolve) => {
      setTimeout(resolve, longest * (0.5 + Math.random() / 2));
      this.stopping.signal.addEventListener("abort", () => resolve(undefined), { once: true });
    });
  }

  /** Read one stream to its end.
   * @param {() => void} opened */
  async #read(opened) {
    const controller = new AbortController();
    const stop = () => controller.abort();
    this.stopping.signal.addEventListener("abort", stop, { once: true });
    let silence = setTimeout(stop, SILENCE_MS);
    try {
      const response = await this.api.stream(this.path, this.lastId, controller.signal);
      if (!response.body) throw new TypeError("no stream");
      const parser = new Parser((type, data, id) => this.#receive(type, data, id));
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let first = true; ; first = false) {
        const { value, done } = await reader.read();
        if (done) return;
        if (first) opened();
        clearTimeout(silence);
        silence = setTimeout(stop, SILENCE_MS);
        parser.feed(value ?? "");
      }
    } finally {
      clearTimeout(silence);
      this.stopping.signal.removeEventListener("abort", stop);
      controller.abort();
    }
  }

  /** @param {string} type @param {string} data @param {string | null} id */
  #receive(type, data, id) {
    if (id !== null) this.lastId = id;
    if (type !== "resume") this.reader.event(type, JSON.parse(data));
  }
}

/** Splits a stream of text into events. */
export class Parser {
  /** @param {(type: string, data: string, id: string | null) => void} emit */
  constructor(emit) {
    this.emit = emit;
    this.rest = "";
    this.type = "message";
    /** @type {string[]} */
    this.data = [];
    /** @type {string | null} */
    this.id = null;
  }

  clear() {
    this.type = "message";
    this.data = [];
    this.id = null;
  }

  /** @param {string} chunk */
  feed(chunk) {
    const lines = (this.rest + chunk).split(/\r\n|\n|\r/);
    this.rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line);
  }

  /** @param {string} line */
  #line(line) {
    if (line === "") {
      if (this.data.length) this.emit(this.type, this.data.join("\n"), this.id);
      this.clear();
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.type = value;
    else if (field === "data") this.data.push(value);
    else if (field === "id") this.id = value;
  }
}

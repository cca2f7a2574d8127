// @ts-check
/**
 * Live events for the elements of a page. All elements of all tabs with the same server and token share one stream.
 *
 * If streams cannot be opened, the elements read every few seconds instead.
 */

import { Api, Refused } from "../api.js";
import { Connection } from "./connection.js";
import { Tabs, takeConnection } from "./tabs.js";

const FAILURES_BEFORE_POLLING = 3;
const POLL_MS = 10_000;
const READ_AGAIN_MS = 1000;
const LINGER_MS = 2000; // an element that starts again finds its stream still open
const BEAT_MS = 5000;
const SILENT_MS = 45_000; // the leading tab is frozen: otherwise it has a stream, or reports that it has none

/** @typedef {"connecting" | "live" | "polling" | "lost" | "refused"} State */
/**
 * @typedef {object} Reader
 * @property {(type: string, data: any) => void} event
 * @property {(state: State, error?: Error) => void} state
 * @property {() => Promise<void>} poll reads everything once without a stream; throws if the server cannot be reached
 */
/**
 * @typedef {object} Subscription
 * @property {string} topic
 * @property {Reader} reader
 * @property {boolean} behind its topic began without it, so it reads everything once the topic is live
 * @property {boolean} refused
 */

/** @type {Map<string, LiveEvents>} */
const open = new Map();

/**
 * Follow a topic: `customer:…`, `queue:…`, `agent:…`, or `pending`.
 * @param {Api} api
 * @param {string} topic
 * @param {string | null} position the state that the reader has; null to get the current one
 * @param {Reader} reader
 * @returns {() => void} stops it
 */
export function follow(api, topic, position, reader) {
  const { server, token } = api;
  const key = `${server}\n${token}`;
  const events = open.get(key) ?? new LiveEvents(server, token, (it) => open.get(key) === it && open.delete(key));
  open.set(key, events);
  return events.follow(topic, position, reader);
}

class LiveEvents {
  /** @type {Set<Subscription>} of this tab */ #subscriptions = new Set();
  /** @type {Map<string, string | null>} by topic, of this tab */ #positions = new Map();
  /** @type {Map<string, Map<string, string | null>>} the topics of other tabs, if this one leads */ #others = new Map();
  /** @type {Set<string>} */ #live = new Set();
  /** @type {Connection | null} if this tab leads */ #connection = null;
  /** @type {State} */ #state = "connecting";
  /** @type {number | undefined} */ #leaving;
  /** @type {boolean} there is a connection for the stream */ #connected = false;
  /** @type {string | undefined} the tab that leads, if it is another */ #leader;
  /** @type {number | undefined} */ #waiting;
  /** @type {Refused | null} why the server refused everything */ #refusal = null;
  #polled = 0;
  #beaten = 0;
  #leading = new AbortController();

  /** @param {string} server @param {string} token @param {(it: LiveEvents) => void} closed */
  constructor(server, token, closed) {
    this.api = new Api(server, token);
    this.closed = closed;
    this.tabs = new Tabs(server, token, {
      lead: () => this.#lead(),
      stepDown: () => this.#stepDown(),
      message: (it) => this.#message(it),
    });
    this.joined = this.tabs.join();
  }

  /** @param {string} topic @param {string | null} position @param {Reader} reader */
  follow(topic, position, reader) {
    const subscription = { topic, reader, behind: this.#positions.has(topic), refused: false };
    this.#subscriptions.add(subscription);
    if (!this.#positions.has(topic)) this.#positions.set(topic, position);
    reader.state(this.#stateOf(topic));
    if (this.#live.has(topic) || this.#state === "polling") this.#read([subscription]);
    this.#topicsChanged();
    return () => this.#stop(subscription);
  }

  /** @param {Subscription} subscription */
  #stop(subscription) {
    this.#subscriptions.delete(subscription);
    window.clearTimeout(this.#leaving);
    this.#leaving = window.setTimeout(() => (this.#subscriptions.size ? this.#forget() : this.#leave()), LINGER_MS);
  }

  /** Drop the topics that no element of this tab follows any more. */
  #forget() {
    const used = new Set([...this.#subscriptions].map((it) => it.topic));
    for (const topic of this.#positions.keys()) if (!used.has(topic)) this.#positions.delete(topic);
    this.#topicsChanged();
  }

  #leave() {
    this.#positions.clear();
    this.#topicsChanged();
    this.closed(this);
    window.clearTimeout(this.#waiting);
    this.#leading.abort();
    this.#connection?.stop();
    this.tabs.leave();
  }

  #topicsChanged() {
    if (!this.#connection) {
      this.joined.then(() => this.#send({ kind: "follow", topics: [...this.#positions] }));
      return this.#awaitLeader();
    }
    if (!this.#connected) return;
    const all = new Map([...this.#others.values()].flatMap((it) => [...it]));
    for (const [topic, position] of this.#positions) all.set(topic, position);
    this.#connection.follow(all);
  }

  // --- Leading -------------------------------------------------------------------------------------

  #lead() {
    window.clearTimeout(this.#waiting);
    this.#leading = new AbortController();
    this.#connection = new Connection(this.api, {
      heard: () => this.#beat(),
      event: (topic, type, data, position) => this.#share({ kind: "event", topic, type, data, position }),
      live: (topics) => this.#share({ kind: "live", topics }),
      lost: (failures) => this.#share({ kind: "lost", failures }),
      refused: (topic, error) => this.#share({ kind: "refused", topic, status: error.status, body: error.body }),
    });
    this.#restart();
    this.#send({ kind: "lead" });
    this.#connect();
  }

  /** Another tab took over while this one was frozen. */
  #stepDown() {
    this.#leading.abort();
    this.#connection?.stop();
    this.#connection = null;
    this.#connected = false;
    this.#others.clear();
    this.#startAgain();
  }

  /** Another tab leads. Its predecessor's last messages may not have arrived. */
  #startAgain() {
    for (const it of this.#subscriptions) it.behind = true;
    this.#restart();
    this.#topicsChanged();
  }

  /** Lead instead, if the leading tab is silent for too long. */
  #awaitLeader() {
    window.clearTimeout(this.#waiting);
    if (this.#state !== "refused") this.#waiting = window.setTimeout(() => this.tabs.takeOver(), SILENT_MS * (1 + Math.random() / 5));
  }

  /** Show the other tabs that this one is not frozen. */
  #beat() {
    if (Date.now() - this.#beaten < BEAT_MS) return;
    this.#beaten = Date.now();
    this.#send({ kind: "beat" });
  }

  #restart() {
    this.#live.clear();
    this.#state = "connecting";
    this.#showState();
  }

  /** Open the stream once there is a connection for it. */
  async #connect() {
    const { signal } = this.#leading;
    const connected = await takeConnection(this.api.server, signal);
    if (signal.aborted) return;
    this.#connected = connected;
    if (connected) return this.#topicsChanged();
    this.#share({ kind: "lost", failures: FAILURES_BEFORE_POLLING });
    window.setTimeout(() => signal.aborted || this.#connect(), POLL_MS / 2);
  }

  /** @param {object} message */
  #send(message) {
    this.tabs.send({ ...message, from: this.tabs.id });
  }

  /** Pass something on to the other tabs, and take it. @param {object} message */
  #share(message) {
    this.#send(message);
    this.#take(message);
  }

  /** @param {any} message from another tab */
  #message(message) {
    if (this.#connection && message.kind === "follow") return this.#follows(message.from, new Map(message.topics));
    if (this.#connection || message.kind === "follow") return;
    if (message.kind === "lead") this.#leader = message.from;
    this.#leader ??= message.from;
    if (message.from !== this.#leader) return; // it led before, and has not noticed yet
    this.#awaitLeader();
    if (message.kind === "lead") this.#startAgain();
    else this.#take(message);
  }

  /** @param {string} tab @param {Map<string, string | null>} topics */
  #follows(tab, topics) {
    const known = this.#others.has(tab);
    if (topics.size) this.#others.set(tab, topics);
    else this.#others.delete(tab);
    if (!known && topics.size) this.tabs.watch(tab, () => this.#follows(tab, new Map()));
    const refusal = this.#refusal;
    if (refusal) return this.#send({ kind: "refused", topic: null, status: refusal.status, body: refusal.body });
    this.#topicsChanged();
    if ([...topics.keys()].every((it) => this.#live.has(it))) this.#send({ kind: "live", topics: [...this.#live] });
  }

  // --- Following -----------------------------------------------------------------------------------

  /** @param {any} message */
  #take(message) {
    if (message.kind === "event") this.#event(message);
    else if (message.kind === "live") this.#liveNow(message.topics);
    else if (message.kind === "lost") this.#lost(message.failures);
    else if (message.kind === "refused") this.#refused(message.topic, new Refused(message.status, message.body));
  }

  /** @param {{topic: string, type: string, data: any, position: string}} message */
  #event({ topic, type, data, position }) {
    if (this.#positions.has(topic)) this.#positions.set(topic, position);
    for (const it of this.#subscriptions) if (it.topic === topic) it.reader.event(type, data);
  }

  /** @param {string[]} topics */
  #liveNow(topics) {
    const before = this.#live;
    this.#live = new Set(topics);
    this.#state = "live";
    const fresh = [...this.#subscriptions].filter((it) => this.#live.has(it.topic) && !before.has(it.topic));
    this.#read(fresh.filter((it) => it.behind || !this.#connection));
    this.#showState();
  }

  /** @param {number} failures */
  #lost(failures) {
    this.#live.clear();
    if (failures < FAILURES_BEFORE_POLLING) {
      this.#state = "connecting";
      return this.#showState();
    }
    if (this.#state === "refused" || Date.now() - this.#polled < POLL_MS) return;
    this.#polled = Date.now();
    this.#poll();
  }

  async #poll() {
    try {
      await Promise.all([...this.#subscriptions].filter((it) => !it.refused).map((it) => it.reader.poll()));
      if (!this.#live.size) this.#state = "polling";
    } catch (error) {
      if (error instanceof Refused && error.status === 401) {
        this.#connection?.stop();
        return this.#refused(null, error);
      }
      if (!this.#live.size) this.#state = "lost";
    }
    this.#showState();
  }

  /** @param {string | null} topic @param {Refused} error */
  #refused(topic, error) {
    if (topic === null) {
      this.#state = "refused";
      this.#refusal = error;
      window.clearTimeout(this.#waiting);
      this.closed(this); // an element that starts again tries again
    } else {
      for (const topics of [this.#positions, ...this.#others.values()]) topics.delete(topic);
    }
    for (const it of this.#subscriptions) {
      if (topic !== null && it.topic !== topic) continue;
      it.refused = true;
      it.reader.state("refused", error);
    }
  }

  /** Read what may have been missed. @param {Subscription[]} subscriptions */
  #read(subscriptions) {
    for (const it of subscriptions) {
      it.behind = false;
      it.reader.poll().catch((error) => {
        const again = () => this.#subscriptions.has(it) && this.#live.has(it.topic) && this.#read([it]);
        if (!(error instanceof Refused)) window.setTimeout(again, READ_AGAIN_MS);
      });
    }
  }

  #showState() {
    for (const it of this.#subscriptions) if (!it.refused) it.reader.state(this.#stateOf(it.topic));
  }

  /** @param {string} topic @returns {State} */
  #stateOf(topic) {
    return this.#state === "live" && !this.#live.has(topic) ? "connecting" : this.#state;
  }
}

// @ts-check
/**
 * The tabs of one browser that share a stream. One of them leads: it holds the stream and passes everything on.
 *
 * A lock of the browser elects the leader, so another tab takes over as soon as the leader's tab is closed or
 * crashes (Web Locks). A tab may also take the lock from a leader that is silent, because its browser has frozen it.
 * Messages go over a BroadcastChannel. Nothing is stored. Both need a secure context; without one, and in a frame
 * without an origin, each tab leads itself.
 */

const CONNECTIONS = 4; // streams of a browser to one server over HTTP/1.1: two of its six connections stay free

/**
 * @typedef {object} Member
 * @property {() => void} lead this tab leads from now on
 * @property {() => void} stepDown another tab leads instead
 * @property {(message: any) => void} message from another tab
 */

export class Tabs {
  /** @type {BroadcastChannel | null} */ #channel = null;
  #leaving = new AbortController();
  #waiting = new AbortController();
  #name = "";
  id = crypto.getRandomValues(new Uint32Array(4)).join("-");

  /** @param {string} server @param {string} token @param {Member} member */
  constructor(server, token, member) {
    this.server = server;
    this.token = token;
    this.member = member;
  }

  /** Join the tabs with the same server and token. */
  async join() {
    if (!globalThis.isSecureContext || !navigator.locks) return this.member.lead();
    const channel = await digest(`channel\n${this.server}\n${this.token}`);
    this.#name = await digest(`lock\n${this.server}\n${this.token}`);
    if (this.#leaving.signal.aborted) return;
    try {
      // Others notice by this lock that the tab is gone.
      await new Promise((resolve, reject) => {
        const held = () => (resolve(null), this.#left());
        navigator.locks.request(presence(this.id), { signal: this.#leaving.signal }, held).catch(reject);
      });
      this.#channel = new BroadcastChannel(`handoff ${channel}`);
      this.#channel.onmessage = (event) => this.member.message(event.data);
    } catch {
      if (!this.#leaving.signal.aborted) this.member.lead();
      return;
    }
    this.#elect({});
  }

  /** Lead instead of a tab that is silent. */
  takeOver() {
    if (this.#channel) this.#elect({ steal: true });
  }

  /** @param {{steal?: boolean}} how without `steal`, once no other tab leads */
  #elect({ steal }) {
    this.#waiting.abort();
    const { signal } = (this.#waiting = new AbortController());
    const lead = () => (this.member.lead(), this.#left());
    navigator.locks.request(`handoff ${this.#name}`, steal ? { steal } : { signal }, lead).catch(() => {
      if (signal.aborted) return; // another request replaces this one, or the tab has left
      this.member.stepDown();
      this.#elect({});
    });
  }

  #left() {
    return new Promise((resolve) => this.#leaving.signal.addEventListener("abort", resolve));
  }

  /** @param {object} message */
  send(message) {
    this.#channel?.postMessage(message);
  }

  /** Call `gone` once another tab has left. @param {string} id @param {() => void} gone */
  watch(id, gone) {
    navigator.locks.request(presence(id), { signal: this.#leaving.signal }, gone).catch(() => null);
  }

  leave() {
    this.#leaving.abort();
    this.#waiting.abort();
    this.#channel?.close();
    this.#channel = null;
  }
}

/**
 * Take one of the connections for streams to a server, until `leaving`. False if other tabs use them all: one more
 * stream would leave no connection for requests.
 * @param {string} server
 * @param {AbortSignal} leaving
 * @returns {Promise<boolean>}
 */
export async function takeConnection(server, leaving) {
  if (!globalThis.isSecureContext || !navigator.locks || multiplexed(server)) return true;
  const hold = () => new Promise((resolve) => leaving.addEventListener("abort", resolve));
  for (let at = 0; at < CONNECTIONS; at += 1) {
    /** @type {boolean} */
    const taken = await new Promise((resolve) => {
      navigator.locks
        .request(`handoff stream ${at} ${server}`, { ifAvailable: true }, (lock) => {
          resolve(lock !== null);
          return lock && !leaving.aborted ? hold() : undefined;
        })
        .catch(() => resolve(true)); // a frame without an origin has no locks
    });
    if (taken) return true;
  }
  return false;
}

/** Whether the browser speaks HTTP/2 or later with the server: its requests then share one connection. @param {string} server */
function multiplexed(server) {
  const known = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByType("resource"));
  return known.some((it) => it.name.startsWith(server) && /^h[23]/.test(it.nextHopProtocol));
}

/** @param {string} id */
function presence(id) {
  return `handoff tab ${id}`;
}

/**
 * Other scripts of the origin can list locks, so their names have no token, and do not lead to the channel.
 * @param {string} text
 */
async function digest(text) {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return Array.from(bytes, (it) => it.toString(16).padStart(2, "0")).join("");
}

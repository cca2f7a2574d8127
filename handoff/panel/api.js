// @ts-check
/** Calls to the server: the token in a header, errors by their code, nothing kept on disk. */

const ATTEMPTS = 4; // a 503 says that the outcome is unknown and the same may be sent again
const MAX_PAUSE_S = 5;
const KNOWN = 4; // answers kept in memory to be asked for again: what is looked at now

/** What the server said no to, in its own words. `body` is the whole problem document. */
export class Refused extends Error {
  /** @param {number} status @param {any} body */
  constructor(status, body) {
    super(body?.detail ?? `HTTP ${status}`);
    this.status = status;
    this.code = /** @type {string} */ (body?.code ?? "http_error");
    this.body = body ?? {};
  }
}

/** @typedef {{agent: string | null, name: string, scopes: string[]}} Session */

export class Api {
  /**
   * @param {string} server its address; may have a path
   * @param {string} token
   */
  constructor(server, token) {
    this.server = server.replace(/\/+$/, "");
    this.token = token;
    /** @type {Map<string, {etag: string, value: any}>} */
    this.known = new Map();
    /** @type {Promise<Session> | undefined} */
    this.asked = undefined;
  }

  /** Who this token is.
   * @returns {Promise<Session>} */
  session() {
    this.asked ??= this.get("/v1/sessions/current").catch((error) => {
      this.asked = undefined;
      throw error;
    });
    return this.asked;
  }

  /** Another token for the same agent, when the old one ends.
   * @param {string} token */
  renew(token) {
    this.token = token;
    this.asked = undefined;
  }

  /**
   * @param {string} path
   * @param {Record<string, string | number | undefined>} [query]
   */
  async get(path, query = {}) {
    const params = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) if (value !== undefined) params.append(name, String(value));
    const whole = params.size ? `${path}?${params}` : path;
    const known = this.known.get(whole);
    const response = await this.#send("GET", whole, undefined, known ? { "If-None-Match": known.etag } : {});
    if (response.status === 304 && known) return known.value;
    const value = await response.json();
    const etag = response.headers.get("ETag");
    this.known.delete(whole);
    if (etag) this.known.set(whole, { etag, value });
    for (const old of this.known.keys()) if (this.known.size > KNOWN) this.known.delete(old);
    return value;
  }

  /**
   * @param {string} path
   * @param {unknown} body
   */
  async post(path, body) {
    const response = await this.#send("POST", path, JSON.stringify(body), { "Content-Type": "application/json" });
    return response.json();
  }

  /**
   * An open stream of events.
   * @param {string} path
   * @param {string | null} lastId
   * @param {AbortSignal} signal
   */
  async stream(path, lastId, signal) {
    const headers = { Accept: "text/event-stream", ...(lastId ? { "Last-Event-ID": lastId } : {}) };
    const response = await this.#fetch("GET", path, undefined, headers, signal);
    if (!response.ok) throw await refusal(response);
    return response;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {string | undefined} body
   * @param {Record<string, string>} headers
   */
  async #send(method, path, body, headers) {
    for (let attempt = 1; ; attempt += 1) {
      const response = await this.#fetch(method, path, body, headers);
      if (response.ok || response.status === 304) return response;
      if (response.status !== 503 || attempt === ATTEMPTS) throw await refusal(response);
      const asked = Number(response.headers.get("Retry-After")) || 1;
      await new Promise((done) => setTimeout(done, 1000 * Math.min(asked, MAX_PAUSE_S)));
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {string | undefined} body
   * @param {Record<string, string>} headers
   * @param {AbortSignal} [signal]
   */
  #fetch(method, path, body, headers, signal) {
    return fetch(this.server + path, {
      method,
      body,
      signal,
      headers: { ...headers, Authorization: `Bearer ${this.token}` },
      cache: "no-store",
      credentials: "omit",
      referrerPolicy: "no-referrer",
      redirect: "error",
    });
  }
}

/** @param {Response} response */
async function refusal(response) {
  return new Refused(response.status, await response.json().catch(() => null));
}

/**
 * A path with its places filled in.
 * @param {TemplateStringsArray} parts
 * @param {...string} values
 */
export function path(parts, ...values) {
  return parts.reduce((whole, part, at) => whole + encodeURIComponent(values[at - 1]) + part);
}

// @ts-check
/** Requests to the server. The token travels in a header; nothing is stored on disk. */

const TIMEOUT_MS = 20_000; // of a request, with its repetitions: the server answers within 5 s
const ATTEMPTS = 4; // after a 503 the outcome is unknown, and repeating the request is safe
const MAX_PAUSE_S = 5;
const CACHED = 4; // responses kept for revalidation: what is on screen

/** An error response. `body` is the problem document. */
export class Refused extends Error {
  /** @param {number} status @param {any} body */
  constructor(status, body) {
    super(body?.detail ?? `HTTP ${status}`);
    this.status = status;
    this.code = /** @type {string} */ (body?.code ?? "http_error");
    this.body = body ?? {};
  }
}

/** The server did not answer in time: whether it did what it was asked is unknown. */
export class TimedOut extends Error {}

/** @typedef {{agent: string | null, name: string, scopes: string[], queues?: string[] | null, audience?: string}} Session */

export class Api {
  /**
   * @param {string} server its URL, which may have a path
   * @param {string} token
   */
  constructor(server, token) {
    this.server = server.replace(/\/+$/, "");
    this.token = token;
    /** @type {Map<string, {etag: string, value: any}>} */
    this.cache = new Map();
    /** @type {Promise<Session> | undefined} */
    this.current = undefined;
  }

  /** The token's session.
   * @returns {Promise<Session>} */
  session() {
    this.current ??= this.get("/v1/sessions/current").catch((error) => {
      this.current = undefined;
      throw error;
    });
    return this.current;
  }

  /** Continue with a new token for the same agent.
   * @param {string} token */
  renew(token) {
    this.token = token;
    this.current = undefined;
  }

  /**
   * @param {string} path
   * @param {Record<string, string | number | undefined>} [query]
   * @param {{keep?: boolean, headers?: Record<string, string>}} [options] `keep`: the answer, for revalidation
   */
  async get(path, query = {}, { keep = true, headers = {} } = {}) {
    const params = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) if (value !== undefined) params.append(name, String(value));
    const target = params.size ? `${path}?${params}` : path;
    const cached = this.cache.get(target);
    const response = await this.#send("GET", target, undefined, { ...headers, ...(cached ? { "If-None-Match": cached.etag } : {}) });
    if (response.status === 304 && cached) return cached.value;
    const { value } = response;
    const etag = response.headers.get("ETag");
    if (keep) this.cache.delete(target);
    if (etag && keep) this.cache.set(target, { etag, value });
    for (const old of this.cache.keys()) if (this.cache.size > CACHED) this.cache.delete(old);
    return value;
  }

  /**
   * @param {string} path
   * @param {unknown} body
   * @param {Record<string, string>} [headers]
   */
  async post(path, body, headers = {}) {
    const response = await this.#send("POST", path, JSON.stringify(body), { "Content-Type": "application/json", ...headers });
    return response.value;
  }

  /**
   * An open stream of the events of several topics.
   * @param {{topic: string, position: string | null}[]} topics
   * @param {AbortSignal} signal
   */
  async stream(topics, signal) {
    const headers = { Accept: "text/event-stream", "Content-Type": "application/json" };
    const response = await this.#fetch("POST", "/v1/events", JSON.stringify({ topics }), headers, signal);
    if (!response.ok) throw new Refused(response.status, await response.json().catch(() => null));
    return response;
  }

  /**
   * A request and its whole answer. TimedOut if that takes too long.
   * @param {string} method
   * @param {string} path
   * @param {string | undefined} body
   * @param {Record<string, string>} headers
   * @returns {Promise<{status: number, headers: Headers, value: any}>}
   */
  async #send(method, path, body, headers) {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), TIMEOUT_MS);
    try {
      for (let attempt = 1; ; attempt += 1) {
        const response = await this.#fetch(method, path, body, headers, late.signal);
        if (response.status === 304) return { status: 304, headers: response.headers, value: null };
        if (response.ok) return { status: response.status, headers: response.headers, value: await response.json() };
        const refused = new Refused(response.status, await response.json().catch(() => null));
        if (response.status !== 503 || attempt === ATTEMPTS) throw refused;
        const delay = Number(response.headers.get("Retry-After")) || 1;
        await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(delay, MAX_PAUSE_S)));
      }
    } catch (error) {
      throw late.signal.aborted && !(error instanceof Refused) ? new TimedOut() : error;
    } finally {
      clearTimeout(timer);
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

/**
 * A path with its values percent-encoded.
 * @param {TemplateStringsArray} parts
 * @param {...string} values
 */
export function path(parts, ...values) {
  return parts.reduce((joined, part, index) => joined + encodeURIComponent(values[index - 1]) + part);
}

// @ts-check
/** Requests with the token, and the server's errors. */

/** The server said no. `message` says what to do. */
export class ProgressError extends Error {
  /**
   * @param {number} status
   * @param {import("./index.js").Problem} problem RFC 9457
   * @param {number | null} [retryAfter] seconds
   */
  constructor(status, problem, retryAfter = null) {
    super(problem.detail || problem.title);
    this.name = "ProgressError";
    this.status = status;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

/**
 * An error as it crosses from a worker, and back.
 * @param {any} error
 */
export const pack = (error) => ({ ...error, name: error?.name, message: String(error?.message ?? error) });
/** @param {any} packed */
export const unpack = (packed) =>
  packed.problem ? new ProgressError(packed.status, packed.problem, packed.retryAfter) : new Error(packed.message);

/** @param {Response} response */
async function errorOf(response) {
  const { status, statusText } = response;
  const after = response.headers.get("retry-after") ?? "";
  let problem = { type: "about:blank", title: statusText || `HTTP ${status}`, detail: "" };
  try {
    problem = { ...problem, ...(await response.json()) };
  } catch {} // it is somebody else's: a proxy's page, perhaps
  return new ProgressError(status, problem, /^\d+$/.test(after) ? Number(after) : null);
}

export class Http {
  #fetch;
  #ask;
  /** @type {Promise<string | null | undefined> | undefined} */
  #token;

  /**
   * @param {string} base
   * @param {() => any} [ask] for the token
   * @param {typeof globalThis.fetch} [fetch]
   * @param {(token: any) => Promise<void>} [keep] where a WebSocket, too, takes it from
   */
  constructor(base, ask, fetch = globalThis.fetch, keep) {
    this.base = base;
    this.keep = keep;
    this.#ask = ask;
    this.#fetch = fetch;
  }

  token(fresh = false) {
    if (fresh || !this.#token) {
      this.#token = Promise.resolve(this.#ask?.());
      this.#token.then(
        (token) => this.#ask && this.keep?.(token),
        () => (this.#token = undefined),
      );
    }
    return this.#token;
  }

  /**
   * Fetch, and once more with a new token after a 401.
   * @param {string} path
   * @param {RequestInit & {headers?: Record<string, string>}} [init]
   * @throws {ProgressError} it is not 2xx
   */
  async request(path, init = {}) {
    const token = this.token();
    let response = await this.#send(path, init, await token);
    if (response.status === 401 && this.#ask) {
      // Somebody else may have asked meanwhile.
      response = await this.#send(path, init, await this.token(this.#token === token));
    }
    if (!response.ok) throw await errorOf(response);
    return response;
  }

  /**
   * @param {string} path
   * @param {RequestInit & {headers?: Record<string, string>}} init
   * @param {string | null | undefined} token
   */
  #send(path, init, token) {
    const headers = { ...init.headers, ...(token && { Authorization: `Bearer ${token}` }) };
    const fetch = this.#fetch; // which wants no `this`
    return fetch(new URL(path, this.base), { cache: "no-store", ...init, headers });
  }
}

// @ts-check
/** When to try again. */

/** What the first window is at least, in milliseconds; what any is at most, and while nobody looks. */
const SHORTEST = 500;
const LONGEST = 5_000;
const LONGEST_HIDDEN = 60_000;

/** @type {import("./index.js").Clock} */
export const CLOCK = {
  now: () => Date.now(),
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => clearTimeout(/** @type {any} */ (timer)),
};

/** Full jitter, doubling: of a thousand clients that lost their server few come back at once. */
export class Backoff {
  /** What the server asks for, on average. */
  retry = 1_000;
  hidden = false;
  #failures = 0;
  #random;

  /** @param {() => number} [random] */
  constructor(random = Math.random) {
    this.#random = random;
  }

  reset() {
    this.#failures = 0;
  }

  /**
   * Milliseconds until the next try.
   * @param {any} [error] with `retryAfter`, perhaps
   */
  next(error) {
    const retry = Math.max(this.retry, SHORTEST);
    const most = Math.max(this.hidden ? LONGEST_HIDDEN : LONGEST, retry);
    const window = Math.min(most, retry * 2 ** this.#failures++);
    return Math.max(this.#random() * window, (error?.retryAfter ?? 0) * 1_000);
  }
}

/**
 * Whether an error may pass: the network's, and what a server says that is not up to it now.
 * @param {any} error
 */
export const isPassing = (error) => error?.status === undefined || /^(408|429|5..)$/.test(error.status);

/**
 * Sleep, until it is time, it is woken, or aborted: that throws.
 * @param {import("./index.js").Clock} clock
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
export const sleep = (clock, ms, signal) =>
  new Promise((resolve, reject) => {
    const abort = () => {
      clock.clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = clock.setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, Math.min(ms, 2 ** 31 - 1)); // more would be none at all
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });

/**
 * What comes first: an answer, or the abort. Not everything in between heeds a signal.
 * @template T
 * @param {Promise<T>} answer
 * @param {AbortSignal} signal
 * @returns {Promise<T>}
 */
export const unlessAborted = (answer, signal) =>
  new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });

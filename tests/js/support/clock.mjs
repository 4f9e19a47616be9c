// @ts-check
/** Time that stands still until it is told. */

/** Turns of the event loop after which everything that waits for nothing but promises is done. */
const TURNS = 4;

/** Let all that can go on without time go on. */
export async function settle() {
  for (let turn = 0; turn < TURNS; turn++) await new Promise((resolve) => setImmediate(resolve));
}

export class FakeClock {
  #now = Date.UTC(2026, 0, 1);
  #last = 0;
  /** @type {Map<number, {due: number, callback: () => void}>} */
  #timers = new Map();

  now = () => this.#now;

  /** @param {() => void} callback @param {number} ms */
  setTimeout = (callback, ms) => {
    this.#timers.set(++this.#last, { due: this.#now + ms, callback });
    return this.#last;
  };

  /** @param {unknown} timer */
  clearTimeout = (timer) => void this.#timers.delete(/** @type {number} */ (timer));

  /** How many timers are set: what has stopped leaves none. */
  get pending() {
    return this.#timers.size;
  }

  /**
   * Let time pass, with everything that is due in it, in order.
   * @param {number} ms
   */
  async advance(ms) {
    const end = this.#now + ms;
    await settle();
    for (let timer; (timer = this.#next(end)); await settle()) {
      this.#timers.delete(timer.id);
      this.#now = Math.max(this.#now, timer.due);
      timer.callback();
    }
    this.#now = end;
    await settle();
  }

  /**
   * Let time pass without any timer: the page is frozen, or the computer asleep.
   * @param {number} ms
   */
  freeze(ms) {
    this.#now += ms;
  }

  /** @param {number} end */
  #next(end) {
    const due = [...this.#timers]
      .map(([id, timer]) => ({ id, ...timer }))
      .filter((timer) => timer.due <= end);
    return due.sort((a, b) => a.due - b.due || a.id - b.id)[0];
  }
}

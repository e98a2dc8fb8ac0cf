/**
 * One at a time, in the order they came, and no more waiting than there are places.
 */

/** Lets one through at a time. */
export class Queue {
  readonly #places: number;
  readonly #waiting = new Set<() => void>(); // in order of coming
  #taken = false;

  /** @param places how many may wait behind the one whose turn it is */
  constructor(places: number) {
    this.#places = places;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Waits for one's turn, which ends when what is returned is disposed of.
   *
   * @param signal ends the waiting with its reason
   * @returns undefined at once when all places are taken
   */
  enter(signal: AbortSignal): Promise<Disposable> | undefined {
    if (!this.#taken) {
      this.#taken = true;
      return Promise.resolve(this.#turn());
    }
    return this.#waiting.size < this.#places ? this.#wait(signal) : undefined;
  }

  #wait(signal: AbortSignal): Promise<Disposable> {
    return new Promise((resolve, reject) => {
      const called = (): void => {
        signal.removeEventListener("abort", gone);
        resolve(this.#turn());
      };
      const gone = (): void => {
        this.#waiting.delete(called);
        reject(signal.reason);
      };
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener("abort", gone, { once: true });
      this.#waiting.add(called);
    });
  }

  #turn(): Disposable {
    let over = false;
    return {
      [Symbol.dispose]: () => {
        if (over) return;
        over = true;
        this.#next();
      },
    };
  }

  #next(): void {
    const [called] = this.#waiting;
    this.#taken = called !== undefined;
    if (called === undefined) return;
    this.#waiting.delete(called);
    called();
  }
}

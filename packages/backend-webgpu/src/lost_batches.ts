/**
 * Batches that failed, by ranges of their numbers: from the batch that an error was about to the last one recorded before
 * the answer came, since all of these may have read what was not made. Tracing who read what would spare some of them, at
 * a price for each dispatch.
 */

/** Batches that were lost for one reason. */
interface LostRange {
  readonly from: number;
  readonly to: number;
  readonly cause: Error;
}

/** Which batches of one device were lost, and why. */
export class LostBatches {
  /** Disjoint, in rising order. */
  readonly #ranges: LostRange[] = [];
  /** The newest lost batch; later ones are well, and so is everything as long as it is -1. */
  newest = -1;

  /** Notes that batches were lost; of those that overlap others the reason known first stays. */
  add(from: number, to: number, cause: Error): void {
    let range: LostRange = { from, to, cause };
    for (let last = this.#ranges.at(-1); last !== undefined && last.to >= range.from; last = this.#ranges.at(-1)) {
      range = { from: Math.min(last.from, range.from), to: Math.max(last.to, range.to), cause: last.cause };
      this.#ranges.pop();
    }
    this.#ranges.push(range);
    this.newest = range.to;
  }

  /** Why a batch was lost; undefined where it was not. */
  causeOf(batch: number): Error | undefined {
    let [from, to] = [0, this.#ranges.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.#ranges[middle]!.to < batch) from = middle + 1;
      else to = middle;
    }
    const range = this.#ranges[from];
    return range !== undefined && range.from <= batch ? range.cause : undefined;
  }
}

/** Numbers from a seed (SplitMix32), the same everywhere. A case's name is its seed, so that cases do not depend on others. */

/** A stream of numbers. */
export class RandomSource {
  #state: number;

  /** @param name what the stream is for: equal names give equal streams */
  constructor(name: string) {
    let hash = 0x811c9dc5; // FNV-1a
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
    this.#state = hash >>> 0;
  }

  /** Uniform in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let word = this.#state ^ (this.#state >>> 16);
    word = Math.imul(word, 0x21f0aaad);
    word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
    return ((word ^ (word >>> 15)) >>> 0) / 2 ** 32;
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  /** A whole number in [low, high). */
  integer(low: number, high: number): number {
    return Math.floor(this.between(low, high));
  }
}

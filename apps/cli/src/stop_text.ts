/**
 * Stop sequences in text that comes in pieces: what may be the beginning of one is held back until the next piece decides.
 */

/** Cuts a text off before the first of several sequences. */
export class StopText {
  readonly #stops: readonly string[];
  #held = "";
  #stopped = false;

  /** @param stops the sequences; empty ones stop nothing */
  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== "");
  }

  /** Whether a sequence has come. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Takes the next piece, and gives what is certain to come before any sequence. */
  push(text: string): string {
    if (this.#stopped) return "";
    const all = this.#held + text;
    const at = this.#stops.map((stop) => all.indexOf(stop)).filter((index) => index >= 0);
    this.#stopped = at.length > 0;
    const end = this.#stopped ? Math.min(...at) : all.length - this.#beginnings(all);
    this.#held = this.#stopped ? "" : all.slice(end);
    return all.slice(0, end);
  }

  /** Ends the text, and gives what was held back. */
  end(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }

  /** How much of the text's end is the beginning of a sequence, at most. */
  #beginnings(text: string): number {
    const longest = Math.max(0, ...this.#stops.map((stop) => stop.length - 1));
    for (let length = Math.min(longest, text.length); length > 0; length--) {
      const end = text.slice(-length);
      if (this.#stops.some((stop) => stop.startsWith(end))) return length;
    }
    return 0;
  }
}

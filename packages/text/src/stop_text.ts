/**
 * Stop sequences in text that comes in pieces: what may be the beginning of one is held back until the next piece decides.
 */
import { ShapeError } from "../../core/mod.ts";
import { showValue } from "../../core/src/errors.ts";

/**
 * Cuts a text off before the first of several sequences: the one that ends first, and of those that end together the
 * longest. `generate` does so with its option `stop`; this is for text that
 * comes otherwise, as from `generateTokens` and a `textStream`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { StopText } from "@heed/heed/text";
 *
 * const stopText = new StopText(["\n\n"]);
 * let text = "";
 * for (const piece of ["One line.", "\n", "\nAnother."]) {
 *   text += stopText.push(piece);
 *   if (stopText.stopped) break;
 * }
 * text += stopText.end();
 * assertEquals(text, "One line.");
 * ```
 */
export class StopText {
  readonly #stops: readonly string[];
  #held = "";
  #stopped = false;

  /**
   * Begins a text.
   *
   * @param stops the sequences; empty ones stop nothing
   * @throws {ShapeError} when they are no list of texts
   */
  constructor(stops: readonly string[]) {
    checkStops(stops);
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
    const found = this.#stops.map((stop) => ({ at: all.indexOf(stop), length: stop.length })).filter(({ at }) =>
      at >= 0
    );
    found.sort((a, b) => a.at + a.length - (b.at + b.length) || a.at - b.at);
    this.#stopped = found.length > 0;
    const end = found[0]?.at ?? all.length - this.#beginnings(all);
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

/** @throws {ShapeError} when stop sequences are no list of texts, as a single one is */
export function checkStops(stops: readonly string[]): void {
  if (Array.isArray(stops) && stops.every((stop) => typeof stop === "string")) return;
  throw new ShapeError(`Cannot stop at ${showValue(stops)}: stop sequences are a list of texts, as ["\\n\\n"]`);
}

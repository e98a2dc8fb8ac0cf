/** Tokens a second over the last few passes; only the passes themselves are timed, not what happens between them. */

const PASSES = 16;

/** A stopwatch for passes. */
export class Speed {
  readonly #passes: { readonly tokens: number; readonly ms: number }[] = [];

  /** Times a pass over some tokens. */
  async measure(tokens: number, pass: () => Promise<void>): Promise<void> {
    const start = performance.now();
    await pass();
    this.#passes.push({ tokens, ms: performance.now() - start });
    if (this.#passes.length > PASSES) this.#passes.shift();
  }

  /** Tokens a second. */
  get tokensPerSecond(): number {
    const ms = this.#passes.reduce((total, pass) => total + pass.ms, 0);
    return ms === 0 ? 0 : 1000 * this.#passes.reduce((total, pass) => total + pass.tokens, 0) / ms;
  }
}

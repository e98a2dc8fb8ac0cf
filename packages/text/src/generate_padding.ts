/**
 * Prompts of different lengths side by side. Shorter ones are padded on the left, as Hugging Face does it, so that every
 * row's newest token is in the last column:
 *
 *                ids              mask             positions
 *     row 0   . . a b c | d    0 0 1 1 1 | 1    0 0 0 1 2 | 3
 *     row 1   f g h i j | k    1 1 1 1 1 | 1    0 1 2 3 4 | 5
 *
 * Padding goes into the cache like any token and stays hidden by the mask, by which the model also counts positions. Where
 * no row has any there is no mask, and nothing is paid for it.
 */
import { type Backend, type Tensor, tensor } from "../../core/mod.ts";

/** Fed where a row has no token; any id does, since no one attends to it and its logits are left alone. */
export const PADDING_ID = 0;

/** The columns of a batch of prompts, and of what follows them. */
export class LeftPaddedBatch {
  /** Columns that the prompts take: the longest one's length. */
  readonly width: number;
  /** Ids by row. */
  readonly prompts: readonly (readonly number[])[];
  readonly #past: number;
  readonly #pads: readonly number[];

  /**
   * @param prompts ids by row; none is empty
   * @param past tokens that the cache already holds of every row, all of which count
   */
  constructor(prompts: readonly (readonly number[])[], past: number) {
    this.width = Math.max(...prompts.map((ids) => ids.length));
    this.prompts = prompts;
    this.#past = past;
    this.#pads = prompts.map((ids) => this.width - ids.length);
  }

  /** Ids of the prompts' columns from `start` on, `count` or as many as there are: `[B, T]`. */
  columns(start: number, count: number): number[][] {
    const length = Math.min(count, this.width - start);
    return this.prompts.map((ids, row) =>
      Array.from({ length }, (_, i) => ids[start + i - this.#pads[row]!] ?? PADDING_ID)
    );
  }

  /** Which of the first `tokens` tokens, past ones included, are no padding: i32 `[B, S]`, or undefined where all are. */
  mask(tokens: number, backend: Backend): Tensor | undefined {
    if (this.#pads.every((pad) => pad === 0)) return undefined;
    const mask = new Int32Array(this.#pads.length * tokens).fill(1);
    for (const [row, pad] of this.#pads.entries()) {
      const first = row * tokens + this.#past;
      mask.fill(0, first, Math.min(first + pad, (row + 1) * tokens)); // a first chunk may be all padding
    }
    return tensor(mask, { shape: [this.#pads.length, tokens], backend });
  }
}

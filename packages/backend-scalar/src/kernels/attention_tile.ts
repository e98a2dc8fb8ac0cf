/**
 * The running softmax of a tile of rows. For each row it keeps the largest score m so far, the sum l of `e^(x - m)`, and
 * the sums a of values times these. A block of scores raises m to m'; what was summed before is scaled by `e^(m - m')`.
 * In the end the output is `a / l` and logSumExp `m + log(l)`: no row of weights is ever whole.
 *
 * A score of -Infinity does not count, nor does its value, even where that is NaN. +Infinity and NaN make the row NaN, as
 * in a plain softmax. A row with nothing that counts has l = 0, and gives zeros.
 *
 * Source: Milakov and Gimelshein, "Online normalizer calculation for softmax" (2018), algorithm 3; Dao et al.,
 * "FlashAttention" (2022), algorithm 1.
 */
import { addLine, addLines, type Lines, scoreLines } from "./attention_products.ts";

/** Adds nothing to a sum, and is told from a weight that vanished by its sign. */
const HIDDEN = -0;

/** Scratch and sums of a tile of rows. */
export class Tile {
  /** Queries times the scale, `[rows, D]`. */
  readonly queries: Float64Array;
  /** Scores of one block of keys, `[rows, keys]`; then its weights. */
  readonly scores: Float64Array;
  /** Scores from one row to the next. */
  readonly step: number;
  /** Values times weights, `[rows, Dv]`. */
  readonly #sums: Float64Array;
  readonly #largest: Float64Array;
  readonly #totals: Float64Array;
  readonly #size: number;
  readonly #valueSize: number;

  /** Makes room for up to `rows` rows and blocks of up to `keys` keys. */
  constructor(rows: number, keys: number, size: number, valueSize: number) {
    const padded = padRows(rows);
    this.queries = new Float64Array(padded * size);
    this.scores = new Float64Array(padded * keys);
    this.step = keys;
    this.#sums = new Float64Array(padded * valueSize);
    this.#largest = new Float64Array(rows);
    this.#totals = new Float64Array(rows);
    this.#size = size;
    this.#valueSize = valueSize;
  }

  /** Bytes that a tile takes. */
  static byteLength(rows: number, keys: number, size: number, valueSize: number): number {
    return 8 * (padRows(rows) * (size + keys + valueSize) + 2 * rows);
  }

  /** Forgets the rows before; the queries of the next ones are then put in. */
  clear(): void {
    this.queries.fill(0); // also the rows beyond the last, which are computed along
    this.#sums.fill(0);
  }

  /** Begins row r: with nothing, or with a logit that has no value. */
  begin(r: number, sink = -Infinity): void {
    this.#largest[r] = sink;
    this.#totals[r] = sink === -Infinity ? 0 : Math.exp(sink - sink); // 1, or NaN
  }

  /** Fills `scores` with the products of all queries with some keys. */
  score(rows: number, keys: Lines, count: number): void {
    scoreLines(this.queries, rows, this.#size, keys, count, this.scores, this.step);
  }

  /**
   * Turns the scores of a block into weights and adds these to the totals.
   *
   * @returns whether some of them do not count
   */
  weigh(rows: number, count: number): boolean {
    let hidden = false;
    for (let r = 0; r < rows; r++) if (this.#weighRow(r, count)) hidden = true;
    return hidden;
  }

  #weighRow(r: number, count: number): boolean {
    const { scores } = this;
    const [start, end] = [r * this.step, r * this.step + count];
    const before = this.#largest[r]!;
    let largest = before;
    for (let i = start; i < end; i++) if (scores[i]! > largest) largest = scores[i]!;
    const base = largest === -Infinity ? 0 : largest; // e^(Infinity - Infinity) would be NaN
    let total = 0, hidden = false;
    for (let i = start; i < end; i++) {
      if (scores[i] === -Infinity) {
        scores[i] = HIDDEN;
        hidden = true;
      } else total += scores[i] = Math.exp(scores[i]! - base);
    }
    const scale = Math.exp(before - base);
    this.#largest[r] = largest;
    this.#totals[r] = this.#totals[r]! * scale + total;
    if (scale !== 1) this.#scaleRow(r, scale);
    return hidden;
  }

  #scaleRow(r: number, scale: number): void {
    const sums = this.#sums;
    for (let i = r * this.#valueSize, end = i + this.#valueSize; i < end; i++) sums[i]! *= scale;
  }

  /** Adds values times weights; `hidden` is what `weigh` said. */
  add(rows: number, values: Lines, count: number, hidden: boolean): void {
    const size = this.#valueSize;
    if (hidden && !areFinite(values, count, size)) return this.#addCounted(rows, values, count);
    addLines(this.scores, this.step, rows, values, count, this.#sums, size);
  }

  /** A hidden value may be infinite or NaN, so it must not even be multiplied by 0. */
  #addCounted(rows: number, { x, at, step }: Lines, count: number): void {
    const size = this.#valueSize;
    for (let r = 0; r < rows; r++) {
      for (let j = 0; j < count; j++) {
        const weight = this.scores[r * this.step + j]!;
        if (!Object.is(weight, HIDDEN)) addLine(weight, x, at + j * step, 0, this.#sums, r * size, size);
      }
    }
  }

  /** Element d of row r's output. */
  output(r: number, d: number): number {
    const total = this.#totals[r]!;
    return total === 0 ? 0 : this.#sums[r * this.#valueSize + d]! / total;
  }

  /** Row r's logSumExp; -Infinity when nothing counted. */
  logSumExp(r: number): number {
    return this.#totals[r] === 0 ? -Infinity : this.#largest[r]! + Math.log(this.#totals[r]!);
  }
}

/** Three rows are computed as four. */
function padRows(rows: number): number {
  return Math.ceil(rows / 4) * 4;
}

function areFinite({ x, at, step }: Lines, count: number, size: number): boolean {
  let zero = 0; // unless something is not finite
  for (let j = 0; j < count; j++, at += step) for (let d = 0; d < size; d++) zero += x[at + d]! * 0;
  return zero === 0;
}

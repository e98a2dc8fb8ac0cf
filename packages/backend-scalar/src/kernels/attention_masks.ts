/**
 * What changes scores after the dot products, in this order: the soft cap, ALiBi, the mask (float: added, and -Infinity
 * hides; bool: false hides), the block mask. A score that is hidden is -Infinity, whatever its key holds.
 */
import type { ScalarOperand } from "../buffer.ts";
import { asBytes, widening } from "../elements.ts";
import type { Positions, Span } from "./attention_positions.ts";
import { broadcastStrides, countOf, type Extras, groupOf, type Rows, timeOf } from "./attention_rows.ts";

/** `x = softcap * tanh(x / softcap)`. */
export function capScores(rows: Rows, { count }: Span, softcap: number, scores: Float64Array, step: number): void {
  for (let r = 0; r < countOf(rows); r++) {
    for (let i = r * step; i < r * step + count; i++) scores[i] = softcap * Math.tanh(scores[i]! / softcap);
  }
}

/** Adds `slope * (position(s) - p(t))`; slopes are `[Hkv, G]`. */
export function addAlibi(
  rows: Rows,
  { count }: Span,
  slopes: ScalarOperand,
  positions: Positions,
  scores: Float64Array,
  step: number,
): void {
  for (let r = 0; r < countOf(rows); r++) {
    const slope = perHead(slopes, rows, r);
    const p = positions.query(rows.batch, timeOf(rows, r));
    for (let j = 0; j < count; j++) scores[r * step + j]! += slope * (positions.keys[j]! - p);
  }
}

/** Row r's element of an operand `[Hkv, G]`. */
export function perHead(x: ScalarOperand, rows: Rows, r: number): number {
  const stored = x.buffer.elements[x.offset + rows.head * x.strides[0]! + groupOf(rows, r) * x.strides[1]!]!;
  return widening(x.dtype)?.(stored) ?? stored;
}

/** Applies a mask `[B, Hkv, G, T, S]`, bool or float. */
export function applyMask(rows: Rows, span: Span, mask: ScalarOperand, scores: Float64Array, step: number): void {
  const strides = broadcastStrides(mask);
  const apply = mask.dtype === "bool" ? hideFalse : addBias;
  for (let r = 0; r < countOf(rows); r++) {
    const index = [rows.batch, rows.head, groupOf(rows, r), timeOf(rows, r), span.first];
    const at = index.reduce((sum, i, d) => sum + i * strides[d]!, mask.offset);
    apply(mask, at, strides[4]!, scores, r * step, span.count);
  }
}

function hideFalse(mask: ScalarOperand, at: number, stride: number, scores: Float64Array, io: number, n: number): void {
  const shown = asBytes(mask.buffer.elements);
  for (let j = 0; j < n; j++, at += stride) if (shown[at] === 0) scores[io + j] = -Infinity;
}

function addBias(mask: ScalarOperand, at: number, stride: number, scores: Float64Array, io: number, n: number): void {
  const elements = mask.buffer.elements;
  const widen = widening(mask.dtype);
  for (let j = 0; j < n; j++, at += stride) {
    const bias = widen === undefined ? elements[at]! : widen(elements[at]!);
    scores[io + j] = bias === -Infinity ? bias : scores[io + j]! + bias; // a hidden score may be NaN
  }
}

/**
 * The block mask: kinds `[B, Hkv, G, ceil(T / n), ceil(S / n)]`, where 0 hides n x n scores, 1 shows them, and k > 1 shows
 * what block k of the table `[K, n, n]` has true.
 */
export class BlockMask {
  readonly #kinds: ScalarOperand;
  readonly #strides: readonly number[];
  readonly #table: ScalarOperand;
  readonly #size: number;

  /** Takes both operands. */
  constructor(kinds: ScalarOperand, table: ScalarOperand) {
    this.#kinds = kinds;
    this.#strides = broadcastStrides(kinds);
    this.#table = table;
    this.#size = table.shape[1]!;
  }

  /** The block mask of a call that has one. */
  static of({ blockKinds, blockTable }: Extras): BlockMask | undefined {
    return blockKinds === undefined || blockTable === undefined ? undefined : new BlockMask(blockKinds, blockTable);
  }

  /** Whether some row may see some key of a span. */
  shows(rows: Rows, { first, count }: Span): boolean {
    const n = this.#size;
    for (let g = rows.group; g < rows.group + rows.groups; g++) {
      for (let i = Math.floor(rows.time / n); i * n < rows.time + rows.times; i++) {
        for (let j = Math.floor(first / n); j * n < first + count; j++) {
          if (this.#kind(rows, g, i, j) !== 0) return true;
        }
      }
    }
    return false;
  }

  /** Hides what single rows may not see. */
  hide(rows: Rows, { first, count }: Span, scores: Float64Array, step: number): void {
    const n = this.#size;
    const end = first + count;
    for (let r = 0; r < countOf(rows); r++) {
      const [g, t] = [groupOf(rows, r), timeOf(rows, r)];
      for (let s = first, next = s; s < end; s = next) {
        const j = Math.floor(s / n);
        next = Math.min(end, (j + 1) * n);
        const kind = this.#kind(rows, g, Math.floor(t / n), j);
        const row = r * step - first;
        if (kind === 0) scores.fill(-Infinity, row + s, row + next);
        else if (kind > 1) this.#hideBy(kind, t % n, s % n, scores, row + s, next - s);
      }
    }
  }

  #kind({ batch, head }: Rows, group: number, i: number, j: number): number {
    const [sb, sh, sg, st, ss] = this.#strides;
    const at = this.#kinds.offset + batch * sb! + head * sh! + group * sg! + i * st! + j * ss!;
    return this.#kinds.buffer.elements[at]!;
  }

  #hideBy(kind: number, row: number, column: number, scores: Float64Array, io: number, n: number): void {
    const { strides: [sk, sr, sc], offset } = this.#table;
    hideFalse(this.#table, offset + kind * sk! + row * sr! + column * sc!, sc!, scores, io, n);
  }
}

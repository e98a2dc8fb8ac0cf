/**
 * Which keys the rows of a tile may see by where they stand. Key s exists when `s < keyLengths[b]`; the query at time t,
 * whose position is p = t + offset, sees it when
 *
 *     position(s) <= p + right   and   (position(s) >= p - left   or   position(s) < sinkTokens)
 *
 * A block of keys is first cut to what some row may see, so that causal attention costs half, and a window its width.
 */
import type { AttentionAttrs } from "../../../core/src/backend.ts";
import type { ScalarOperand } from "../buffer.ts";
import { countOf, type Extras, type Rows, timeOf } from "./attention_rows.ts";

/** Part of a block of keys. */
export interface Span {
  readonly first: number;
  readonly count: number;
  /** Whether every row sees all of it, as far as positions go. */
  readonly whole: boolean;
}

/** Positions of queries and keys. */
export class Positions {
  /** Those of the keys of the span last found. */
  readonly keys: Float64Array;
  readonly #attrs: AttentionAttrs;
  readonly #lengths: ScalarOperand | undefined;
  readonly #given: ScalarOperand | undefined;
  readonly #queries: number;

  /** For a call with `queries` queries a head, and blocks of up to `most` keys. */
  constructor(extras: Extras, attrs: AttentionAttrs, queries: number, most: number) {
    this.keys = new Float64Array(most);
    this.#attrs = attrs;
    this.#lengths = extras.keyLengths;
    this.#given = extras.keyPositions;
    this.#queries = queries;
  }

  /** How many keys a batch row has: its length, where that is at least 0 and at most S. */
  keyCount(batch: number): number {
    return Math.max(0, Math.min(this.#attrs.keyCount, this.#length(batch)));
  }

  /** The position of a batch row's query at time t. */
  query(batch: number, t: number): number {
    const { offset } = this.#attrs;
    return t + (offset === "keyLengths" ? this.#length(batch) - this.#queries : offset);
  }

  #length(batch: number): number {
    if (this.#lengths === undefined) return this.#attrs.keyCount;
    const { buffer, offset, strides } = this.#lengths;
    return buffer.elements[offset + batch * strides[0]!]!;
  }

  /** Cuts the keys from `first` to `end` to those between the first and the last that some row may see. */
  span(rows: Rows, first: number, end: number): Span | undefined {
    const { left, right, sinkTokens } = this.#attrs;
    const earliest = this.query(rows.batch, rows.time);
    const latest = this.query(rows.batch, rows.time + rows.times - 1);
    let [from, to] = [end, first];
    for (let s = first; s < end; s++) {
      const position = this.#key(s);
      if (position > latest + right || (position < earliest - left && position >= sinkTokens)) continue;
      if (from === end) from = s;
      to = s + 1;
    }
    if (from >= to) return undefined;
    let whole = true;
    for (let s = from; s < to; s++) {
      const position = this.keys[s - from] = this.#key(s);
      if (position > earliest + right || (position < latest - left && position >= sinkTokens)) whole = false;
    }
    return { first: from, count: to - from, whole };
  }

  /** Hides what single rows may not see of a span. */
  hide(rows: Rows, { count, whole }: Span, scores: Float64Array, step: number): void {
    if (whole) return;
    const { left, right, sinkTokens } = this.#attrs;
    for (let r = 0; r < countOf(rows); r++) {
      const p = this.query(rows.batch, timeOf(rows, r));
      const [from, to, row] = [p - left, p + right, r * step];
      for (let j = 0; j < count; j++) {
        const position = this.keys[j]!;
        if (position > to || (position < from && position >= sinkTokens)) scores[row + j] = -Infinity;
      }
    }
  }

  #key(s: number): number {
    if (this.#given === undefined) return s;
    const { buffer, offset, strides } = this.#given;
    return buffer.elements[offset + s * strides[0]!]!;
  }
}

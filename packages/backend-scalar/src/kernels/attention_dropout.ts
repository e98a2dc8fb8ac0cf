/**
 * Dropout of attention weights: weight i, counted in row-major order over `[B, Hkv, G, T, S]`, goes where draw i of
 * Threefry is below p, and the rest grow by `1 / (1 - p)`. The totals they are divided by count all of them.
 */
import type { AttentionAttrs } from "../../../core/src/backend.ts";
import { threefry2x32 } from "../../../core/src/random.ts";
import type { Span } from "./attention_positions.ts";
import { countOf, groupOf, type Rows, timeOf } from "./attention_rows.ts";

/** Sizes of all weights of a call. */
export interface WeightSizes {
  readonly heads: number;
  readonly groups: number;
  readonly times: number;
  readonly keys: number;
}

/** Drops weights of a span; the hidden ones stay as they are. */
export function dropWeights(
  rows: Rows,
  { first, count }: Span,
  { p, seed: [key0, key1] }: NonNullable<AttentionAttrs["dropout"]>,
  sizes: WeightSizes,
  weights: Float64Array,
  step: number,
): void {
  const grow = 1 / (1 - p);
  for (let r = 0; r < countOf(rows); r++) {
    const row = ((rows.batch * sizes.heads + rows.head) * sizes.groups + groupOf(rows, r)) * sizes.times +
      timeOf(rows, r);
    const start = row * sizes.keys + first;
    for (let j = 0; j < count; j++) {
      const at = r * step + j;
      if (Object.is(weights[at], -0)) continue;
      const i = start + j;
      const draw = (threefry2x32(key0, key1, i % 2 ** 32, Math.floor(i / 2 ** 32))[0] >>> 8) / 2 ** 24;
      weights[at] = draw < p ? 0 : weights[at]! * grow;
    }
  }
}

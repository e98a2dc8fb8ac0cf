/**
 * `[kept…, reduced…] -> [kept…]`, the last `dims` dims going in row-major order.
 *
 * Sums and products accumulate in f64; those of ints wrap to 32 bits, sums by the store and products at every step. In
 * extremes NaN wins; argmax and argmin give the place of the first extreme within the reduced dims.
 */
import type { PrimitiveKernels, ReduceOp } from "../../../core/src/backend.ts";
import { isFloat } from "../../../core/src/dtype.ts";
import { collapse, Layout } from "../../../core/src/layout.ts";
import type { ScalarBuffer, ScalarOperand } from "../buffer.ts";
import type { Elements } from "../elements.ts";
import { widening } from "../halves.ts";
import { Walk } from "../walk.ts";

/** The reduced dims of one result: rows of n elements, found from where the result's elements start. */
interface Rows {
  readonly walk: Walk;
  readonly stride: number;
  readonly n: number;
}

/** Takes n elements into what was accumulated so far. */
type Fold = (sum: number, x: Elements, at: number, stride: number, n: number) => number;

type FoldOp = Exclude<ReduceOp, "argmax" | "argmin">;

const START: Readonly<Record<FoldOp, number>> = { sum: 0, prod: 1, max: -Infinity, min: Infinity, any: 0, all: 1 };

const FOLDS: Readonly<Record<FoldOp, Fold>> = {
  sum: (sum, x, at, stride, n) => {
    for (let i = 0; i < n; i++, at += stride) sum += x[at]!;
    return sum;
  },
  prod: (product, x, at, stride, n) => {
    for (let i = 0; i < n; i++, at += stride) product *= x[at]!;
    return product;
  },
  max: (max, x, at, stride, n) => {
    for (let i = 0; i < n; i++, at += stride) if (x[at]! > max || x[at] !== x[at]) max = x[at]!;
    return max;
  },
  min: (min, x, at, stride, n) => {
    for (let i = 0; i < n; i++, at += stride) if (x[at]! < min || x[at] !== x[at]) min = x[at]!;
    return min;
  },
  any: (any, x, at, stride, n) => {
    for (let i = 0; i < n; i++, at += stride) if (x[at] !== 0) return 1;
    return any;
  },
  all: (all, x, at, stride, n) => {
    for (let i = 0; i < n; i++, at += stride) if (x[at] === 0) return 0;
    return all;
  },
};

function foldIntProduct(product: number, x: Elements, at: number, stride: number, n: number): number {
  for (let i = 0; i < n; i++, at += stride) product = Math.imul(product, x[at]!);
  return product;
}

/** Where the largest element is, or the smallest with sign -1; the first NaN comes before all others. */
function argExtreme(sign: 1 | -1, x: Elements, start: number, { walk, stride, n }: Rows): number {
  let best = -Infinity;
  let place = -1;
  let i = 0;
  do {
    let at = start + walk.at[0]!;
    for (const end = i + n; i < end; i++, at += stride) {
      const value = sign * x[at]!;
      if (value !== value) return i;
      if (value > best || place < 0) [best, place] = [value, i];
    }
  } while (walk.next());
  return place;
}

function foldRows(fold: Fold, start: number, x: Elements, at: number, { walk, stride, n }: Rows): number {
  let result = start;
  do result = fold(result, x, at + walk.at[0]!, stride, n); while (walk.next());
  return result;
}

/** The reduced dims, as few and as long as strides allow. */
function rowsOf({ shape, strides }: ScalarOperand, kept: number): Rows {
  const inner = collapse([new Layout(shape.slice(kept), strides.slice(kept), 0)])[0]!;
  const last = inner.shape.length - 1;
  const walk = new Walk(inner.shape.slice(0, Math.max(last, 0)), [inner.strides], [0]);
  return { walk, stride: inner.strides[last] ?? 0, n: inner.shape[last] ?? 1 };
}

function reduceRows(op: ReduceOp, x: ScalarOperand, at: number, rows: Rows): number {
  const elements = x.buffer.elements;
  if (op === "argmax") return argExtreme(1, elements, at, rows);
  if (op === "argmin") return argExtreme(-1, elements, at, rows);
  const fold = op === "prod" && !isFloat(x.dtype) ? foldIntProduct : FOLDS[op];
  return foldRows(fold, START[op], elements, at, rows);
}

/** The kernel. */
export const reduce: PrimitiveKernels<ScalarBuffer>["reduce"] = widening({
  layout: "strided",
  run([x], [out], { op, dims }): void {
    const kept = x.shape.length - dims;
    const rows = rowsOf(x, kept);
    const walk = new Walk(x.shape.slice(0, kept), [x.strides], [x.offset]);
    const to = out!.buffer.elements;
    let io = 0;
    do to[io++] = reduceRows(op, x, walk.at[0]!, rows); while (walk.next());
  },
});

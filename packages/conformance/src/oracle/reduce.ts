/** Reductions and running reductions in plain loops. */
import type { ReduceOp, ScanOp } from "../../../core/mod.ts";
import { at, type Dense, generate, indices, withIndex } from "./dense.ts";

/** The place and value of the extreme: the first of equal ones, or the first NaN. */
function extreme(
  values: readonly number[],
  better: (a: number, b: number) => boolean,
): { place: number; value: number } {
  let place = 0;
  for (let i = 1; i < values.length && !Number.isNaN(values[place]!); i++) {
    if (Number.isNaN(values[i]!) || better(values[i]!, values[place]!)) place = i;
  }
  return { place, value: values[place]! };
}

/** A row of values to one, by the contract's names. */
export const REDUCTIONS: Readonly<Record<ReduceOp, (values: readonly number[]) => number>> = {
  sum: (values) => values.reduce((sum, x) => sum + x, 0),
  prod: (values) => values.reduce((product, x) => product * x, 1),
  max: (values) => extreme(values, (a, b) => a > b).value,
  min: (values) => extreme(values, (a, b) => a < b).value,
  argmax: (values) => extreme(values, (a, b) => a > b).place,
  argmin: (values) => extreme(values, (a, b) => a < b).place,
  any: (values) => Number(values.some((x) => x !== 0)),
  all: (values) => Number(values.every((x) => x !== 0)),
};

/**
 * Reduces over dims, in row-major order.
 *
 * @param dims sorted indices from the front
 */
export function reduce(
  x: Dense,
  dims: readonly number[],
  keepdim: boolean,
  fn: (values: readonly number[]) => number,
): Dense {
  const kept = x.shape.map((size, d) => dims.includes(d) ? 1 : size);
  const over = dims.map((d) => x.shape[d]!);
  const reduced = generate(kept, (index) => {
    const full = [...index];
    const values: number[] = [];
    for (const inner of indices(over)) {
      dims.forEach((d, i) => full[d] = inner[i]!);
      values.push(at(x, full));
    }
    return fn(values);
  });
  return keepdim ? reduced : { shape: x.shape.filter((_, d) => !dims.includes(d)), data: reduced.data };
}

/** Running sums or products along a dim. */
export function scan(x: Dense, dim: number, op: ScanOp): Dense {
  const along = (index: readonly number[]): number[] =>
    Array.from({ length: index[dim]! + 1 }, (_, i) => at(x, withIndex(index, dim, i)));
  return generate(x.shape, (index) => REDUCTIONS[op](along(index)));
}

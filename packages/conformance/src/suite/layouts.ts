/**
 * The table of layouts: ways in which the same elements may lie. Each is a base that is larger, or turned, or smaller than the
 * shape wanted, and the views that make the shape of it.
 */
import type { Tensor } from "../../../core/mod.ts";

/** How a tensor's elements lie in its storage. */
export interface LayoutCase {
  /** Its name in results. */
  readonly name: string;
  /** Dims that the shape must have at least. */
  readonly rank: number;
  /** The base's shape. */
  base(shape: readonly number[]): number[];
  /** The views from the base to the shape. */
  view(base: Tensor, shape: readonly number[]): Tensor;
  /** The same for an index: where the shape's element is in the base. */
  place(index: readonly number[]): number[];
}

function changed(shape: readonly number[], dim: number, size: number): number[] {
  return shape.map((s, d) => d === (dim + shape.length) % shape.length ? size : s);
}

function swapped(shape: readonly number[]): number[] {
  return [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!];
}

const CONTIGUOUS: LayoutCase = {
  name: "contiguous",
  rank: 0,
  base: (shape) => [...shape],
  view: (base) => base.detach(),
  place: (index) => [...index],
};

const TRANSPOSED: LayoutCase = {
  name: "transposed",
  rank: 2,
  base: swapped,
  view: (base) => base.transpose(-1, -2),
  place: swapped,
};

/** Rows begin late and have a gap behind them. */
const OFFSET: LayoutCase = {
  name: "offset",
  rank: 1,
  base: (shape) => changed(shape, -1, shape.at(-1)! + 3),
  view: (base, shape) => base.narrow(-1, 2, shape.at(-1)!),
  place: (index) => [...index.slice(0, -1), index.at(-1)! + 2],
};

const REPEATED: LayoutCase = {
  name: "stride 0",
  rank: 1,
  base: (shape) => changed(shape, 0, Math.min(1, shape[0]!)),
  view: (base, shape) => base.expand(shape),
  place: (index) => [0, ...index.slice(1)],
};

const STEPPED: LayoutCase = {
  name: "every second",
  rank: 1,
  base: (shape) => changed(shape, -1, 2 * shape.at(-1)! + 1),
  view: (base, shape) => base.slice(-1, 1, 2 * shape.at(-1)! + 1, 2),
  place: (index) => [...index.slice(0, -1), 2 * index.at(-1)! + 1],
};

/** The last dim comes first in memory. */
const PERMUTED: LayoutCase = {
  name: "permuted",
  rank: 3,
  base: (shape) => [shape.at(-1)!, ...shape.slice(0, -1)],
  view: (base, shape) => base.permute([...shape.map((_, d) => d).slice(1), 0]),
  place: (index) => [index.at(-1)!, ...index.slice(0, -1)],
};

const ALL: readonly LayoutCase[] = [CONTIGUOUS, TRANSPOSED, OFFSET, REPEATED, STEPPED, PERMUTED];

/** The layouts that a shape can have; the contiguous one comes first. */
export function layoutsFor(shape: readonly number[]): LayoutCase[] {
  return ALL.filter(({ rank }) => shape.length >= rank);
}

/** The plain row-major layout. */
export const PLAIN_LAYOUT: LayoutCase = CONTIGUOUS;

/** Shapes for ops that take any: a scalar, odd primes, size 1, many dims, more than a vector register, and no elements. */
export const SHAPES: readonly (readonly number[])[] = [
  [],
  [7],
  [3, 5],
  [1, 13],
  [5, 1, 3],
  [2, 3, 2, 5],
  [17, 19],
  [0],
  [3, 0, 2],
];

/** Row-major arrays of doubles: what the oracle computes with. Shapes are checked nowhere; the suite gives sound ones. */

/** Sizes and elements in row-major order. */
export interface Dense {
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** Elements. */
  readonly data: Float64Array<ArrayBuffer>;
}

/** The number of elements of a shape. */
export function count(shape: readonly number[]): number {
  return shape.reduce((n, size) => n * size, 1);
}

/** All indices of a shape in row-major order; the same array each time, so use it before the next. */
export function* indices(shape: readonly number[]): Generator<number[]> {
  const index = shape.map(() => 0);
  for (let left = count(shape); left > 0; left--) {
    yield index;
    for (let d = shape.length - 1; d >= 0 && ++index[d]! === shape[d]; d--) index[d] = 0;
  }
}

/** The row-major position of an index; dims of size 1, and missing leading ones, broadcast. */
export function position(shape: readonly number[], index: readonly number[]): number {
  const lead = index.length - shape.length;
  let at = 0;
  for (let d = 0; d < shape.length; d++) at = at * shape[d]! + (shape[d] === 1 ? 0 : index[lead + d]!);
  return at;
}

/** The element at an index, broadcasting. */
export function at(x: Dense, index: readonly number[]): number {
  return x.data[position(x.shape, index)]!;
}

/** An array whose elements are a function of their index. */
export function generate(shape: readonly number[], fn: (index: readonly number[]) => number): Dense {
  const data = new Float64Array(count(shape));
  let i = 0;
  for (const index of indices(shape)) data[i++] = fn(index);
  return { shape: [...shape], data };
}

/** Elementwise. */
export function map(x: Dense, fn: (value: number) => number): Dense {
  return { shape: x.shape, data: x.data.map(fn) };
}

/** The shape that shapes broadcast to. */
export function broadcast(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, d) => {
    const sizes = shapes.map((shape) => shape[d - rank + shape.length] ?? 1);
    return sizes.find((size) => size !== 1) ?? 1;
  });
}

/** The index with one of its places changed. */
export function withIndex(index: readonly number[], dim: number, value: number): number[] {
  const changed = [...index];
  changed[dim] = value;
  return changed;
}

/**
 * Strided iteration: one index that runs over some dims in row-major order, and where it stands in each operand.
 * Kernels walk the outer dims by it and loop over the innermost one themselves:
 *
 *     const walk = new Walk(outerSizes, [x.strides, out.strides], [x.offset, out.offset]);
 *     do loop(x, walk.at[0], out, walk.at[1]) while (walk.next());
 */

/** An index over sizes, all of them >= 1, with the offset it has in each operand. */
export class Walk {
  /** Where each operand stands, in elements. */
  readonly at: number[];
  /** The index itself. */
  readonly index: number[];
  readonly #sizes: readonly number[];
  readonly #strides: readonly (readonly number[])[];

  /**
   * @param sizes of the dims to walk, outermost first
   * @param strides of each operand for these dims; more than that are ignored
   * @param starts the offset of each operand at index 0
   */
  constructor(sizes: readonly number[], strides: readonly (readonly number[])[], starts: readonly number[]) {
    this.at = [...starts];
    this.index = new Array<number>(sizes.length).fill(0);
    this.#sizes = sizes;
    this.#strides = strides;
  }

  /** Steps to the next index; at the end it returns false and stands at the start again. */
  next(): boolean {
    const { at, index } = this;
    for (let d = this.#sizes.length - 1; d >= 0; d--) {
      const size = this.#sizes[d]!;
      const more = ++index[d]! < size;
      const steps = more ? 1 : 1 - size;
      for (let k = 0; k < at.length; k++) at[k]! += steps * this.#strides[k]![d]!;
      if (more) return true;
      index[d] = 0;
    }
    return false;
  }
}

/** A list of sizes or strides without one dim. */
export function without(list: readonly number[], dim: number): number[] {
  return list.filter((_, d) => d !== dim);
}

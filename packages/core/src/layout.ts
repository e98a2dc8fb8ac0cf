/**
 * Where a tensor's elements lie in its storage: shape, strides and offset, all counted in elements.
 * The element at index `(i0, i1, …)` is `storage[offset + i0 * strides[0] + i1 * strides[1] + …]`.
 *
 * A layout is a pure value. Strides are >= 0: 0 repeats an element (expand), and nothing here copies.
 * Block dtypes use the same layouts, counted in elements; a view of them must keep blocks whole.
 */
import { numelOf, type Shape } from "./shape.ts";

/** Shape, strides and offset of a tensor within its storage, in elements. */
export class Layout {
  /** Sizes, outermost first. */
  readonly shape: Shape;
  /** Elements to step for one step along each dim. */
  readonly strides: readonly number[];
  /** Index of the first element. */
  readonly offset: number;
  /** The number of elements. */
  readonly numel: number;
  /** Whether elements lie in row-major order without gaps, as PyTorch's `is_contiguous()`. */
  readonly isContiguous: boolean;

  /** Makes a layout; strides and offset are taken as they are. */
  constructor(shape: Shape, strides: readonly number[], offset: number) {
    this.shape = shape;
    this.strides = strides;
    this.offset = offset;
    this.numel = numelOf(shape);
    this.isContiguous = this.numel === 0 || isRowMajor(shape, strides);
  }

  /** The row-major layout of a shape at offset 0. */
  static contiguous(shape: Shape): Layout {
    return new Layout(shape, contiguousStrides(shape), 0);
  }

  /** One past the largest element index that this layout reaches; 0 when it has no elements. */
  get end(): number {
    if (this.numel === 0) return 0;
    let last = this.offset;
    for (let i = 0; i < this.shape.length; i++) last += (this.shape[i]! - 1) * this.strides[i]!;
    return last + 1;
  }

  /**
   * Whether it reaches blocks of a dtype whole: along one dim they lie side by side, from the start of a block to the end of
   * one, and all others step over whole blocks.
   *
   * @param blockSize elements of a block; of 1 all are whole
   */
  keepsBlocks(blockSize: number): boolean {
    if (blockSize === 1 || this.numel === 0) return true;
    let along = 0;
    for (let i = 0; i < this.shape.length; i++) {
      const [size, stride] = [this.shape[i]!, this.strides[i]!];
      if (size === 1) continue; // its stride is never stepped
      if (stride === 1) along++;
      if ((stride === 1 ? size : stride) % blockSize !== 0) return false;
    }
    return along === 1 && this.offset % blockSize === 0;
  }
}

/** Row-major strides of a shape; size-0 dims count as 1, as in PyTorch. */
export function contiguousStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= Math.max(1, shape[i]!);
  }
  return strides;
}

function isRowMajor(shape: Shape, strides: readonly number[]): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = shape[i]!;
    if (size === 1) continue; // its stride is never stepped
    if (strides[i] !== expected) return false;
    expected *= size;
  }
  return true;
}

/**
 * Strides that reach the same elements in the same order under another shape, or undefined when only a copy can
 * (PyTorch's `computeStride`): each run of old dims that steps evenly is cut into the new dims it covers.
 */
export function viewStrides(layout: Layout, shape: Shape): number[] | undefined {
  if (layout.numel === 0 || layout.isContiguous) return contiguousStrides(shape);
  const strides = new Array<number>(shape.length);
  let next = shape.length - 1; // new dims are filled from the last
  let runStride = layout.strides[layout.shape.length - 1] ?? 1;
  let runNumel = 1;
  let filled = 1;
  for (let i = layout.shape.length - 1; i >= 0; i--) {
    runNumel *= layout.shape[i]!;
    const endOfRun = i === 0 ||
      (layout.shape[i - 1] !== 1 && layout.strides[i - 1] !== runNumel * runStride);
    if (!endOfRun) continue;
    while (next >= 0 && (filled < runNumel || shape[next] === 1)) {
      strides[next] = filled * runStride;
      filled *= shape[next]!;
      next--;
    }
    if (filled !== runNumel) return undefined;
    if (i > 0) {
      runStride = layout.strides[i - 1]!;
      runNumel = 1;
      filled = 1;
    }
  }
  return next === -1 ? strides : undefined;
}

/**
 * Merges neighbouring dims that step evenly in every operand, and drops dims of size 1, so that kernels loop over
 * as few dims as there can be. All operands have the same shape (stride 0 where they are broadcast).
 */
export function collapse(layouts: readonly Layout[]): Layout[] {
  const { shape } = layouts[0]!;
  const sizes: number[] = [];
  const strides: number[][] = layouts.map(() => []);
  for (let i = 0; i < shape.length; i++) {
    const size = shape[i]!;
    if (size === 1) continue;
    const last = sizes.length - 1;
    const merges = last >= 0 && layouts.every((l, k) => strides[k]![last] === l.strides[i]! * size);
    if (merges) {
      sizes[last]! *= size;
      layouts.forEach((l, k) => strides[k]![last] = l.strides[i]!);
    } else {
      sizes.push(size);
      layouts.forEach((l, k) => strides[k]!.push(l.strides[i]!));
    }
  }
  return layouts.map((l, k) => new Layout(sizes, strides[k]!, l.offset));
}

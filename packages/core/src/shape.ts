/**
 * Arithmetic on shapes: element counts, dims counted from the end, broadcasting (PyTorch's and NumPy's rule).
 * Everything here is pure, and every failure is a {@linkcode ShapeError} that names the caller's operation.
 */
import { ShapeError, showShape, showValue } from "./errors.ts";

/** Sizes of a tensor's dims, outermost first; `[]` is a scalar. */
export type Shape = readonly number[];

/** The number of elements of a shape; 1 for `[]`. */
export function numelOf(shape: Shape): number {
  let numel = 1;
  for (let i = 0; i < shape.length; i++) numel *= shape[i]!;
  return numel;
}

/** Whether two shapes are equal. */
export function sameShape(a: Shape, b: Shape): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/**
 * Refuses what callers without types may pass in a list's place, as numbers one by one.
 *
 * @param x the shape of what the op is done to, and `by` the word between them, if there is such a tensor
 * @throws {ShapeError} naming `op` and what came
 */
export function checkIsList(op: string, list: unknown, x?: Shape, by = ""): void {
  if (Array.isArray(list)) return;
  throw new ShapeError(
    `Cannot ${op} ${x === undefined ? "" : `${showShape(x)} ${by} `}${showValue(list)}: it takes a list; ` +
      `put its numbers in brackets, as [${typeof list === "number" ? list : "2, 3"}]`,
  );
}

/**
 * Checks that a shape is a list and every size a whole number >= 0.
 *
 * @throws {ShapeError} naming `op` and the shape
 */
export function checkShape(op: string, shape: Shape): void {
  checkIsList(op, shape);
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) {
      throw new ShapeError(`Cannot ${op} ${showShape(shape)}: sizes must be whole numbers >= 0, found ${size}`);
    }
  }
  if (!Number.isSafeInteger(numelOf(shape))) {
    throw new ShapeError(`Cannot ${op} ${showShape(shape)}: its number of elements is beyond 2^53`);
  }
}

/**
 * A dim counted from either end, as an index from the front.
 *
 * @param rank number of dims; a scalar counts as one, as in PyTorch
 * @throws {ShapeError} when it is no number, or out of `[-rank, rank)`
 */
export function normalizeDim(op: string, dim: number, shape: Shape, rank: number = shape.length): number {
  const size = rank === 0 ? 1 : rank;
  if (!Number.isInteger(dim) || dim < -size || dim >= size) {
    throw new ShapeError(
      `Cannot ${op} ${showShape(shape)} along dim ${showValue(dim)}: ` +
        `${typeof dim === "number" ? "dims go" : "a dim is a plain number"} from ${-size} to ${size - 1}`,
    );
  }
  return dim < 0 ? dim + size : dim;
}

/** One dim, or several, as a list. */
export function listOf(dims: number | readonly number[]): readonly number[] {
  const isList = (x: number | readonly number[]): x is readonly number[] => Array.isArray(x); // it alone forgets readonly
  return isList(dims) ? dims : [dims];
}

/**
 * Dims counted from either end, as sorted indices from the front without repeats; all dims when left out.
 *
 * @throws {ShapeError} when one is out of range or given twice
 */
export function normalizeDims(op: string, dims: number | readonly number[] | undefined, shape: Shape): number[] {
  if (dims === undefined) return shape.map((_, i) => i);
  const list = listOf(dims);
  const normal = list.map((dim) => normalizeDim(op, dim, shape)).sort((a, b) => a - b);
  for (let i = 1; i < normal.length; i++) {
    if (normal[i] === normal[i - 1]) {
      throw new ShapeError(
        `Cannot ${op} ${showShape(shape)} along dims [${list.join(", ")}]: dim ${normal[i]} is there twice`,
      );
    }
  }
  return shape.length === 0 ? [] : normal;
}

/**
 * The shape that shapes broadcast to: aligned at the end, sizes equal or 1.
 *
 * @param op what the message says cannot be done; a function where it takes writing out
 * @throws {ShapeError} naming all shapes and the sizes that differ
 */
export function broadcastShapes(op: string | (() => string), ...shapes: Shape[]): number[] {
  let rank = 0;
  for (const shape of shapes) rank = Math.max(rank, shape.length);
  const out = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    const lead = rank - shape.length;
    for (let i = 0; i < shape.length; i++) {
      const [have, size] = [out[lead + i]!, shape[i]!];
      if (size === 1 || size === have) continue;
      if (have !== 1) {
        throw new ShapeError(
          `Cannot ${typeof op === "string" ? op : op()} ${
            shapes.map(showShape).join(" with ")
          }: sizes ${have} and ${size} ` +
            `differ at dim ${lead + i - rank} and neither is 1`,
        );
      }
      out[lead + i] = size;
    }
  }
  return out;
}

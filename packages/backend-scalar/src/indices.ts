/** The check that gather and scatter make of their indices before they write anything. */
import { ShapeError, showShape } from "../../core/src/errors.ts";
import type { ScalarOperand } from "./buffer.ts";
import { Walk } from "./walk.ts";

/**
 * Reads every index once, also where a stride of 0 repeats it.
 *
 * @param shape of the tensor that is indexed along `dim`
 * @throws {ShapeError} naming the first index out of range, and where it stands
 */
export function checkIndices(op: string, index: ScalarOperand, shape: readonly number[], dim: number): void {
  const elements = index.buffer.elements;
  const size = shape[dim]!;
  const walk = new Walk(index.shape.map((n, d) => index.strides[d] === 0 ? 1 : n), [index.strides], [index.offset]);
  do {
    const i = elements[walk.at[0]!]!;
    if (i >= 0 && i < size) continue;
    throw new ShapeError(
      `Cannot ${op} ${showShape(shape)} along dim ${dim} with index ${showShape(index.shape)}: ` +
        `the index ${i} at ${showShape(walk.index)} is out of range for size ${size}`,
    );
  } while (walk.next());
}

/** The message for an index out of range: the kernel only says that there is one, and it is looked for here. */
import { internalError, ShapeError, showShape } from "../../core/src/errors.ts";
import type { WasmOperand } from "./buffer.ts";
import type { LinearMemory } from "./linear_memory.ts";

/**
 * The error for an index out of range: of a gather or scatter the first in row-major order, of an attention
 * over pages that there is one.
 *
 * @param name the kernel
 * @param op what was called
 * @param settings the call's: the dim comes first
 */
export function indexError(
  name: string,
  op: string,
  inputs: readonly WasmOperand[],
  outputs: readonly WasmOperand[],
  settings: readonly number[],
  memory: LinearMemory,
): Error {
  if (name === "attention") {
    return new ShapeError(
      `Cannot attend to keys of the pool ${
        showShape(inputs[1]!.shape)
      } by its page table: an entry that is needed is ` +
        `out of range, or missing`,
    );
  }
  const [indexed, index] = name === "gather" ? [inputs[0]!, inputs[1]!] : [outputs[0]!, inputs[0]!];
  const dim = settings[0]!;
  const size = indexed.shape[dim]!;
  const found = findOutside(index, size, memory);
  if (found === undefined) return internalError(`${name} says that an index is out of range, and none is`);
  return new ShapeError(
    `Cannot ${op} ${showShape(indexed.shape)} along dim ${dim} with index ${showShape(index.shape)}: ` +
      `the index ${found.value} at ${showShape(found.place)} is out of range for size ${size}`,
  );
}

function findOutside(
  { buffer, shape, strides, offset }: WasmOperand,
  size: number,
  memory: LinearMemory,
): { value: number; place: number[] } | undefined {
  const first = buffer.address >>> 2;
  const numel = shape.reduce((n, d) => n * d, 1);
  const place = shape.map(() => 0);
  for (let i = 0; i < numel; i++) {
    const at = place.reduce((sum, p, d) => sum + p * strides[d]!, offset);
    const value = memory.words[first + at]! | 0;
    if (value < 0 || value >= size) return { value, place };
    for (let d = shape.length - 1; d >= 0; d--) {
      if (++place[d]! < shape[d]!) break;
      place[d] = 0;
    }
  }
  return undefined;
}

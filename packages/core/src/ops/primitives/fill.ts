/** Constants and counters: the `fill` kernel writes `value + i * step`. */
import type { Backend } from "../../backend.ts";
import { allocate, callInto } from "../../dispatch.ts";
import { type DType, isBlock } from "../../dtype.ts";
import { DTypeError, showShape } from "../../errors.ts";
import type { Shape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { checkWritable } from "./copy.ts";

/** A fresh tensor with `value + i * step` at row-major index i. */
export function filled(backend: Backend, shape: Shape, dtype: DType, value: number, step = 0): Tensor {
  if (isBlock(dtype)) {
    throw new DTypeError(`Cannot fill ${dtype} ${showShape(shape)}: blocks come from files or quantizeBlocks`);
  }
  const out = allocate(backend, shape, dtype);
  callInto("fill", [], [out], { value, step });
  return out;
}

/**
 * Writes a number into every element of a view.
 *
 * @returns target itself
 * @throws {ShapeError} when the target repeats elements
 * @throws {DTypeError} when it requires a gradient, or holds blocks
 */
export function fill_(target: Tensor, value: number): Tensor {
  checkWritable("fill", target, showShape(target.shape));
  if (target.isContiguous) {
    callInto("fill", [], [target], { value, step: 0 });
    return target;
  }
  using one = filled(target.backend, [], target.dtype, value);
  return target.copy_(one);
}

/**
 * Copies and casts: the `copy` kernel moves any view into any view of the same shape, converting dtypes on the way
 * (floats to ints truncate toward zero, anything but 0 is true, blocks are dequantised).
 */
import { allocate, call, callInto, commonBackend } from "../../dispatch.ts";
import { type DType, dtypeInfo, isBlock } from "../../dtype.ts";
import { DTypeError, ShapeError, showShape } from "../../errors.ts";
import { record } from "../../grad/node.ts";
import { Tensor } from "../../tensor.ts";
import { fit } from "./binary.ts";

/** A second handle on the same elements: what an op with nothing to do returns, so that every result is one's own. */
export function alias(x: Tensor): Tensor {
  x.checkAlive("alias");
  return record("alias", new Tensor(x.storage, x.layout), [x], [alias]);
}

/**
 * Converts to another dtype (`tensor.to(dtype)`); blocks dequantise. The same dtype shares storage.
 *
 * @throws {DTypeError} when the target is a block dtype: quantise with `quantizeBlocks`
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  if (x.dtype === dtype) return alias(x);
  if (dtypeInfo(dtype).kind === "block") {
    throw new DTypeError(
      `Cannot cast ${x.dtype} ${showShape(x.shape)} to ${dtype}: casts do not quantise; use quantizeBlocks on its data`,
    );
  }
  return record("cast", call("copy", [x], x.shape, dtype, {}), [x], [(grad) => cast(grad, x.dtype)]);
}

/** The same elements in row-major order without gaps: itself when they lie so, else a copy. */
export function contiguous(x: Tensor): Tensor {
  return x.isContiguous ? alias(x) : clone(x);
}

/** A copy of its own, contiguous. */
export function clone(x: Tensor): Tensor {
  if (isBlock(x.dtype)) {
    throw new DTypeError(
      `Cannot copy ${x.dtype} ${showShape(x.shape)}: blocks stay as they lie; convert with to("f32")`,
    );
  }
  return record("clone", call("copy", [x], x.shape, x.dtype, {}), [x], [alias]);
}

/**
 * Writes `source`, broadcast and cast, into `target`'s elements; every view of them sees it.
 *
 * @returns target itself
 * @throws {ShapeError} when source does not broadcast to target, or target repeats elements
 * @throws {DTypeError} when target requires a gradient, or holds blocks
 */
export function copy_(target: Tensor, source: Tensor): Tensor {
  const shapes = `${showShape(source.shape)} into ${showShape(target.shape)}`;
  checkWritable("copy", target, shapes);
  using wide = fit(source, source.dtype, target.shape);
  commonBackend("copy", [target, wide]);
  if (wide.storage !== target.storage) {
    callInto("copy", [wide], [target], {});
    return target;
  }
  using apart = allocate(wide.backend, wide.shape, wide.dtype); // they may overlap, and a kernel's output is no input
  callInto("copy", [wide], [apart], {});
  callInto("copy", [apart], [target], {});
  return target;
}

/**
 * @ignore Refuses a target that cannot be written through.
 * @throws {ShapeError} {DTypeError}
 */
export function checkWritable(op: string, target: Tensor, shapes: string): void {
  target.checkAlive(op);
  if (isBlock(target.dtype)) {
    throw new DTypeError(`Cannot ${op} ${shapes}: ${target.dtype} blocks cannot be written to`);
  }
  if (target.requiresGrad) {
    throw new DTypeError(`Cannot ${op} ${shapes}: the target requires a gradient; write to target.detach()`);
  }
  if (target.shape.some((size, i) => size > 1 && target.strides[i] === 0)) {
    throw new ShapeError(
      `Cannot ${op} ${shapes}: the target is expanded, so its elements share memory; clone it first`,
    );
  }
}

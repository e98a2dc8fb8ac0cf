/**
 * Copies and casts: the `copy` kernel moves any view into any view of the same shape, converting dtypes on the way
 * (floats to ints truncate toward zero, anything but 0 is true, blocks are dequantised).
 *
 * q8_0 is the one block dtype that can be written: a block's scale follows from its own 32 elements alone, so whole
 * blocks may be rounded where they lie, as GGML's reference does it (quant/q8_0.ts). It is what caches are kept in.
 */
import { allocate, call, callInto, checkTensor, commonBackend } from "../../dispatch.ts";
import { type BlockDType, type DType, dtypeInfo, isBlock } from "../../dtype.ts";
import { BackendError, DTypeError, ShapeError, showShape } from "../../errors.ts";
import { isGradEnabled } from "../../grad/no_grad.ts";
import { record } from "../../grad/node.ts";
import { tidy } from "../../memory.ts";
import { Tensor } from "../../tensor.ts";
import { fit } from "./binary.ts";

/** A second handle on the same elements: what an op with nothing to do returns, so that every result is one's own. */
export function alias(x: Tensor): Tensor {
  x.checkAlive("alias");
  return record("alias", new Tensor(x.storage, x.layout), [x], [alias]);
}

/**
 * Converts to another dtype (`tensor.to(dtype)`); blocks dequantise, and q8_0 quantises along the last dim, which has no
 * gradient. The same dtype shares storage.
 *
 * @throws {DTypeError} when the target is another block dtype, for which there is `quantizeBlocks`, or the last dim is
 *   no whole blocks
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  x.checkAlive("cast");
  if (x.dtype === dtype) return alias(x);
  if (isBlock(dtype)) return quantized(x, dtype);
  return record("cast", call("copy", [x], x.shape, dtype, {}), [x], [(grad) => cast(grad, x.dtype)]);
}

function quantized(x: Tensor, dtype: BlockDType): Tensor {
  const what = `Cannot cast ${x.dtype} ${showShape(x.shape)} to ${dtype}`;
  if (dtype !== "q8_0") {
    throw new DTypeError(`${what}: casts quantise to q8_0 only; use quantizeBlocks on its data`);
  }
  const { blockSize } = dtypeInfo(dtype);
  if ((x.shape.at(-1) ?? 1) % blockSize !== 0) {
    throw new DTypeError(`${what}: its rows are no whole blocks of ${blockSize}; pad its last dim`);
  }
  return call("copy", [x], x.shape, dtype, {});
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
 * Writes `source`, broadcast and cast, into `target`'s elements; every view of them sees it. A q8_0 target is quantised
 * to; blocks of q8_0 that lie alike in both are moved as they are. No gradient flows through what is written.
 *
 * @returns target itself
 * @throws {ShapeError} when source does not broadcast to target, or target repeats elements
 * @throws {DTypeError} when target requires a gradient, or source does and gradients are on, or target holds blocks of
 *   another dtype than q8_0
 * @throws {BackendError} when target is a constant
 */
export function copy_(target: Tensor, source: Tensor): Tensor {
  checkTensor(() => `copy into ${showShape(target.shape)}`, source);
  if (source.requiresGrad && isGradEnabled()) {
    throw new DTypeError(
      `Cannot copy ${showShape(source.shape)} into ${showShape(target.shape)}: the source requires a gradient, ` +
        `and none flows through writing; use cat, where or scatter, or copy source.detach()`,
    );
  }
  return copyValues(target, source);
}

/**
 * @ignore `copy_` for callers who see to the source's gradient themselves.
 * @throws {ShapeError} {DTypeError} {BackendError} as `copy_`, but for the source's gradient
 */
export function copyValues(target: Tensor, source: Tensor): Tensor {
  const shapes = () => `${showShape(source.shape)} into ${showShape(target.shape)}`; // only errors write it out
  checkWritable("copy", target, shapes, "q8_0");
  tidy(() => {
    const wide = fit("copy", source, source.dtype, target.shape);
    commonBackend("copy", [target, wide]);
    if (wide.storage !== target.storage) return callInto("copy", [wide], [target], {});
    const dtype = isBlock(wide.dtype) && wide.strides.at(-1) !== 1 ? "f32" : wide.dtype; // a copy holds whole rows
    const apart = allocate(wide.backend, wide.shape, dtype); // they may overlap, and a kernel's output is no input
    callInto("copy", [wide], [apart], {});
    callInto("copy", [apart], [target], {});
  });
  return target;
}

/**
 * @ignore Refuses a target that cannot be written through.
 * @param quantizes the block dtype that the op can write
 * @throws {ShapeError} {DTypeError} {BackendError}
 */
export function checkWritable(op: string, target: Tensor, shapes: () => string, quantizes?: BlockDType): void {
  target.checkAlive(op);
  if (isBlock(target.dtype) && target.dtype !== quantizes) {
    throw new DTypeError(`Cannot ${op} ${shapes()}: ${target.dtype} blocks cannot be written to`);
  }
  if (target.storage.constant) {
    throw new BackendError(
      `Cannot ${op} ${shapes()}: the target is a constant, as loaded weights are; load it with { trainable: true }`,
    );
  }
  if (target.requiresGrad) {
    throw new DTypeError(`Cannot ${op} ${shapes()}: the target requires a gradient; write to target.detach()`);
  }
  if (target.shape.some((size, i) => size > 1 && target.strides[i] === 0)) {
    throw new ShapeError(
      `Cannot ${op} ${shapes()}: the target is expanded, so its elements share memory; clone it first`,
    );
  }
}

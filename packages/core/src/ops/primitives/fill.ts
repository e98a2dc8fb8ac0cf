/**
 * Constants and counters: the `fill` kernel writes `value + i * step`. Zeros of q8_0, which `copy_` can then write into,
 * are bytes of 0: every scale and every element is 0.
 */
import type { Backend } from "../../backend.ts";
import { allocate, callFresh, callInto } from "../../dispatch.ts";
import { type BlockDType, type DType, dtypeInfo, isBlock } from "../../dtype.ts";
import { DTypeError, showShape } from "../../errors.ts";
import { tidy } from "../../memory.ts";
import type { Shape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { checkWritable } from "./copy.ts";

const PIECE_BYTES = 2 ** 20; // zeros are written by so many, and never twice in memory

/**
 * A fresh tensor with `value + i * step` at row-major index i.
 *
 * @throws {DTypeError} for block dtypes, but for zeros of q8_0 in whole blocks
 */
export function filled(backend: Backend, shape: Shape, dtype: DType, value: number, step = 0): Tensor {
  if (dtype === "q8_0" && value === 0 && step === 0) return zeroBlocks(backend, shape, dtype);
  if (isBlock(dtype)) {
    throw new DTypeError(`Cannot fill ${dtype} ${showShape(shape)}: blocks come from files or quantizeBlocks`);
  }
  const out = allocate(backend, shape, dtype);
  callFresh("fill", [], [out], { value, step });
  return out;
}

function zeroBlocks(backend: Backend, shape: Shape, dtype: BlockDType): Tensor {
  const { blockSize } = dtypeInfo(dtype);
  if ((shape.at(-1) ?? 1) % blockSize !== 0) {
    throw new DTypeError(`Cannot fill ${dtype} ${showShape(shape)}: its rows are no whole blocks of ${blockSize}`);
  }
  const out = allocate(backend, shape, dtype);
  const { buffer, byteLength } = out.storage;
  const piece = new Uint8Array(Math.min(byteLength, PIECE_BYTES));
  for (let at = 0; at < byteLength; at += piece.length) {
    backend.write(buffer, at, piece.subarray(0, Math.min(piece.length, byteLength - at)));
  }
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
  checkWritable("fill", target, () => showShape(target.shape));
  if (target.isContiguous) {
    callInto("fill", [], [target], { value, step: 0 });
    return target;
  }
  return tidy(() => target.copy_(filled(target.backend, [], target.dtype, value)));
}

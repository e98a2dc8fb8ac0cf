/**
 * Memory that a kernel needs for itself, given back as soon as the work on it is recorded: recorded work runs in order.
 * Kernels that write elements singly leave f16 and bf16, two a word, to a copy from f32.
 */
import { type DType, isHalf } from "../../../core/src/dtype.ts";
import { contiguousStrides } from "../../../core/src/layout.ts";
import { numelOf } from "../../../core/src/shape.ts";
import type { WebGpuOperand } from "../buffer.ts";
import type { Gpu } from "../gpu.ts";
import { copyElements } from "./copy/copy.ts";

/** Lets `use` record work on a contiguous operand that is gone afterwards. */
export function withTemporary(
  gpu: Gpu,
  dtype: DType,
  shape: readonly number[],
  use: (temporary: WebGpuOperand) => void,
): void {
  const buffer = gpu.pool.allocate(dtype, numelOf(shape));
  try {
    use({ buffer, dtype, shape, strides: contiguousStrides(shape), offset: 0 });
  } finally {
    gpu.pool.free(buffer);
  }
}

/** Lets `fill` write `out`, which then is no half: an f32 one is narrowed to it where it is. */
export function viaF32(gpu: Gpu, out: WebGpuOperand, fill: (wide: WebGpuOperand) => void): void {
  if (!isHalf(out.dtype)) return fill(out);
  withTemporary(gpu, "f32", out.shape, (wide) => {
    fill(wide);
    copyElements(gpu, wide, out);
  });
}

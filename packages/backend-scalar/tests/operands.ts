/** Small operands for calling kernels directly, and the numbers in them. */
import type { Kernel } from "../../core/src/backend.ts";
import { type DType, isBlock } from "../../core/src/dtype.ts";
import { f32ToBf16, f32ToF16 } from "../../core/src/half.ts";
import { contiguousStrides } from "../../core/src/layout.ts";
import { dequantizeBlocks } from "../../core/src/quant/formats.ts";
import { numelOf } from "../../core/src/shape.ts";
import { threefry2x32 } from "../../core/src/random.ts";
import { createScalarBackend, type ScalarBuffer } from "../mod.ts";
import type { ScalarOperand } from "../src/buffer.ts";
import { asBytes, widening } from "../src/elements.ts";

export const backend = createScalarBackend();

/** Contiguous unless strides are given; then `values` is the whole buffer. Halves are rounded. */
export function operand(
  dtype: DType,
  shape: readonly number[],
  values: ArrayLike<number>,
  strides: readonly number[] = contiguousStrides(shape),
  offset = 0,
): ScalarOperand {
  const buffer = backend.allocate(dtype, values.length);
  const store = dtype === "f16" ? f32ToF16 : dtype === "bf16" ? f32ToBf16 : (x: number) => x;
  for (let i = 0; i < values.length; i++) buffer.elements[i] = store(values[i]!);
  return { buffer, dtype, shape, strides, offset };
}

/** Blocks of fixed pseudo-random bytes, every scale a small positive f16. */
export function blocks(dtype: DType, shape: readonly number[]): ScalarOperand {
  const buffer = backend.allocate(dtype, numelOf(shape));
  const bytes = asBytes(buffer.elements);
  for (let i = 0; i < bytes.length; i++) bytes[i] = threefry2x32(1, 2, i, 0)[0] & 31; // so no f16 in it is large
  return { buffer, dtype, shape, strides: contiguousStrides(shape), offset: 0 };
}

/** An output whose elements are poisoned. */
export function output(dtype: DType, shape: readonly number[]): ScalarOperand {
  return operand(dtype, shape, new Array(numelOf(shape)).fill(dtype === "bool" ? 1 : 77));
}

/** The elements of a view in row-major order, as numbers, read one at a time. */
export function numbersOf({ buffer, dtype, shape, strides, offset }: ScalarOperand): number[] {
  const widen = widening(dtype) ?? ((x: number) => x);
  const elements = isBlock(dtype) ? dequantizeBlocks(dtype, asBytes(buffer.elements)) : buffer.elements;
  return Array.from({ length: numelOf(shape) }, (_, i) => {
    let [at, rest] = [offset, i];
    for (let d = shape.length - 1; d >= 0; d--) {
      at += (rest % shape[d]!) * strides[d]!;
      rest = Math.floor(rest / shape[d]!);
    }
    return widen(elements[at]!);
  });
}

/** Runs a kernel with one output and gives the numbers in it. */
export function run<Inputs extends readonly ScalarOperand[], Attrs>(
  kernel: Kernel<ScalarBuffer, Inputs, Attrs>,
  inputs: Inputs,
  out: ScalarOperand,
  attrs: Attrs,
): number[] {
  kernel.run(inputs, [out], attrs);
  return numbersOf(out);
}

/** Numbers in [-1, 1) that are the same each time. */
export function draws(n: number, seed = 0): number[] {
  return Array.from({ length: n }, (_, i) => Math.fround(threefry2x32(seed, 7, i, 0)[0] / 2 ** 31 - 1));
}

/**
 * f16 and bf16 in kernels that compute: inputs are widened to f32, the kernel runs on those, and what it wrote is
 * narrowed. Kernels that only move elements need none of this.
 */
import type { Kernel } from "../../core/src/backend.ts";
import { contiguousStrides } from "../../core/src/layout.ts";
import { numelOf } from "../../core/src/shape.ts";
import { ScalarBuffer, type ScalarOperand } from "./buffer.ts";
import { isHalf } from "../../core/src/dtype.ts";
import { copyElements } from "./kernels/copy.ts";

/** A contiguous f32 copy of any operand; of its leading dims, those that repeat elements (stride 0) still do. */
export function toF32(x: ScalarOperand, leading: number = x.shape.length): ScalarOperand {
  const repeats = x.shape.map((_, d) => d < leading && x.strides[d] === 0);
  const shape = x.shape.map((size, d) => repeats[d] ? 1 : size);
  const once = f32Like(shape);
  copyElements({ ...x, shape }, once);
  return { ...once, shape: x.shape, strides: once.strides.map((stride, d) => repeats[d] ? 0 : stride) };
}

/** The same operand, or an f32 copy where it is f16 or bf16. */
export function widen(x: ScalarOperand): ScalarOperand {
  return isHalf(x.dtype) ? toF32(x) : x;
}

/** Lets `fill` write f32, and converts that to the output's dtype. */
export function viaF32(out: ScalarOperand, fill: (wide: ScalarOperand) => void): void {
  const wide = f32Like(out.shape);
  fill(wide);
  copyElements(wide, out);
}

function f32Like(shape: readonly number[]): ScalarOperand {
  const numel = numelOf(shape);
  const buffer = new ScalarBuffer("f32", numel, new Float32Array(numel));
  return { buffer, dtype: "f32", shape, strides: contiguousStrides(shape), offset: 0 };
}

/** The kernel, which knows plain numbers only, for halves too; with `updates` it also reads its outputs. */
export function widening<Inputs extends readonly ScalarOperand[], Attrs>(
  kernel: Kernel<ScalarBuffer, Inputs, Attrs>,
  updates = false,
): Kernel<ScalarBuffer, Inputs, Attrs> {
  return {
    layout: kernel.layout,
    run(inputs, outputs, attrs): void {
      if (!hasHalf(inputs) && !hasHalf(outputs)) return kernel.run(inputs, outputs, attrs);
      const wideInputs = inputs.map(widen) as readonly ScalarOperand[] as Inputs; // map() forgets the tuple's length
      const wideOutputs = outputs.map((out) => !isHalf(out.dtype) ? out : updates ? toF32(out) : f32Like(out.shape));
      kernel.run(wideInputs, wideOutputs, attrs);
      outputs.forEach((out, i) => wideOutputs[i] !== out && copyElements(wideOutputs[i]!, out));
    },
  };
}

function hasHalf(operands: readonly ScalarOperand[]): boolean {
  for (let i = 0; i < operands.length; i++) if (isHalf(operands[i]!.dtype)) return true;
  return false;
}

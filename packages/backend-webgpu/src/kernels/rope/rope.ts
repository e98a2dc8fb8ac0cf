/**
 * Rotary positions: each pair of elements of x `[B, H, T, D]` is turned by its angle, cos and sin `[B, T, R/2]`:
 *
 *     out[p] = x[p] * cos - x[q] * sin        p, q = i, i + R/2      (half-split: Hugging Face)
 *     out[q] = x[q] * cos + x[p] * sin               2i, 2i + 1      (interleaved: GPT-J, GGUF's llama)
 *
 * Elements from R on pass through. cos and sin may lack leading dims or have size 1 there. An invocation makes an element
 * and reads its partner too, which lies near: x is read twice, mostly from a cache.
 */
import type { FusedKernels } from "../../../../core/src/backend.ts";
import type { DType } from "../../../../core/src/dtype.ts";
import type { WebGpuBuffer, WebGpuOperand } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import { dtypeConstant, elementwiseShaders, runElementwise } from "../elementwise.ts";
import ROPE from "./rope.wgsl" with { type: "text" };

const SHADERS = elementwiseShaders("rrr", (key) => {
  const [x, angle] = key.split(" ") as [DType, DType]; // as rope() puts them together
  return {
    label: `rope_${x}`,
    constants: { X: dtypeConstant(x), ANGLE: dtypeConstant(angle) },
    files: [ROPE],
  };
});

/** The kernel. */
export function rope(gpu: Gpu): NonNullable<FusedKernels<WebGpuBuffer>["rope"]> {
  return {
    layout: "strided",
    run([x, cos, sin], [out], { interleaved }): void {
      const pairs = cos.shape.at(-1)!;
      const rows = { ...x, strides: x.strides.with(3, 0) };
      const attrs = [x.shape[3]!, pairs, Number(interleaved), x.strides[3]!, cos.strides.at(-1)!, sin.strides.at(-1)!];
      runElementwise(gpu, SHADERS, `${x.dtype} ${cos.dtype}`, out!, [rows, overHeads(cos), overHeads(sin)], attrs);
    },
  };
}

/** Angles that have B and T, or less, as x's rows walk them: along B, H, T, and not along D. */
function overHeads(angle: WebGpuOperand): WebGpuOperand {
  const { shape, strides } = angle;
  const stride = (fromEnd: number): number => {
    const d = shape.length - fromEnd;
    return d < 0 || shape[d] === 1 ? 0 : strides[d]!;
  };
  return { ...angle, strides: [stride(3), 0, stride(2), 0] };
}

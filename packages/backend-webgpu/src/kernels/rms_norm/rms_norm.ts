/**
 * `x * weight / sqrt(mean(x^2) + eps)` along the last dim; x `[…, D]`, weight `[D]`, in f32.
 *
 * A workgroup a row: the squares are summed by a tree, then x is read again, mostly from a cache. 8 bytes of memory and 5
 * operations an element: memory-bound on a GPU.
 */
import type { FusedKernels } from "../../../../core/src/backend.ts";
import type { DType } from "../../../../core/src/dtype.ts";
import type { WebGpuBuffer } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import { f32Bits } from "../../parameters.ts";
import { Shader, Shaders } from "../../shader.ts";
import { dtypeConstant, PREAMBLE } from "../elementwise.ts";
import { rowsOfLastDim } from "../rows.ts";
import { viaF32 } from "../temporaries.ts";
import ROWS from "./rows.wgsl" with { type: "text" };

const SHADERS = new Shaders((key) => {
  const [x, weight] = key.split(" ") as [DType, DType]; // as rmsNorm() puts them together
  const constants = { X: dtypeConstant(x), WEIGHT: dtypeConstant(weight) };
  return new Shader(`rms_norm_rows_${x}`, "wrr", constants, [...PREAMBLE, ROWS]);
});

/** The kernel. */
export function rmsNorm(gpu: Gpu): NonNullable<FusedKernels<WebGpuBuffer>["rmsNorm"]> {
  return {
    layout: "strided",
    run([x, weight], [out], { eps }): void {
      viaF32(gpu, out!, (wide) => {
        const rows = rowsOfLastDim(x, wide, [weight.strides[0]!, weight.offset, f32Bits(eps)]);
        gpu.run(SHADERS.get(`${x.dtype} ${weight.dtype}`), [wide, x, weight], rows, gpu.line(rows.numel));
      });
    },
  };
}

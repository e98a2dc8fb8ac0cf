/**
 * `x * weight / sqrt(mean(x^2) + eps)` along the last dim; x `[…, D]`, weight `[D]`, in f32.
 *
 * A workgroup a row: the squares are summed (folding.ts: 7 barriers a row by a tree, 1 by subgroups), then x is read again,
 * mostly from a cache. 8 bytes of memory and 5 operations an element: memory-bound on a GPU. Subgroups were run on software
 * adapters only, and never timed on a GPU.
 */
import type { FusedKernels } from "../../../../core/src/backend.ts";
import type { DType } from "../../../../core/src/dtype.ts";
import type { WebGpuBuffer } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import { f32Bits } from "../../parameters.ts";
import { Shader, Shaders } from "../../shader.ts";
import SUM from "../../wgsl/sum.wgsl" with { type: "text" };
import { dtypeConstant, PREAMBLE } from "../elementwise.ts";
import { type Folding, foldingFeatures, foldingFiles, foldingOn } from "../folding.ts";
import { rowsOfLastDim } from "../rows.ts";
import { viaF32 } from "../temporaries.ts";
import ROWS from "./rows.wgsl" with { type: "text" };

/** Invocations of a workgroup. */
const LANES = 64;

const SHADERS = new Shaders((key) => {
  const [folding, x, weight] = key.split(" ") as [Folding, DType, DType]; // as rmsNorm() puts them together
  const constants = { X: dtypeConstant(x), WEIGHT: dtypeConstant(weight), LANES: `${LANES}u` };
  const files = [...PREAMBLE, SUM, ...foldingFiles(folding), ROWS];
  return new Shader(`rms_norm_rows_${x}`, "wrr", constants, files, foldingFeatures(folding));
});

/** The kernel. */
export function rmsNorm(gpu: Gpu): NonNullable<FusedKernels<WebGpuBuffer>["rmsNorm"]> {
  const folding = foldingOn(gpu);
  return {
    layout: "strided",
    run([x, weight], [out], { eps }): void {
      viaF32(gpu, out!, (wide) => {
        const rows = rowsOfLastDim(x, wide, [weight.strides[0]!, weight.offset, f32Bits(eps)]);
        const shader = SHADERS.get(`${folding} ${x.dtype} ${weight.dtype}`);
        gpu.run(shader, [wide, x, weight], rows, gpu.line(rows.numel));
      });
    },
  };
}

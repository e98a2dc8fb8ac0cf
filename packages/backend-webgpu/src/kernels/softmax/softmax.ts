/**
 * `e^(x - max) / sum of these` along the last dim, in f32; a row of -Infinity alone, or with NaN or Infinity in it, is NaN.
 *
 * A workgroup a row: the maximum and the sum by trees, then the quotients; x is read three times, mostly from a cache.
 * 8 bytes of memory and about 20 operations an element: memory-bound on a GPU.
 */
import type { FusedKernels } from "../../../../core/src/backend.ts";
import type { DType } from "../../../../core/src/dtype.ts";
import type { WebGpuBuffer } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import { Shader, Shaders } from "../../shader.ts";
import EXP from "../../wgsl/math/exp.wgsl" with { type: "text" };
import { dtypeConstant, PREAMBLE } from "../elementwise.ts";
import { rowsOfLastDim } from "../rows.ts";
import { viaF32 } from "../temporaries.ts";
import ROWS from "./rows.wgsl" with { type: "text" };

const SHADERS = new Shaders((dtype) => {
  const constants = { X: dtypeConstant(dtype as DType) }; // as softmax() gives it
  return new Shader(`softmax_rows_${dtype}`, "wr", constants, [...PREAMBLE, EXP, ROWS]);
});

/** The kernel. */
export function softmax(gpu: Gpu): NonNullable<FusedKernels<WebGpuBuffer>["softmax"]> {
  return {
    layout: "strided",
    run([x], [out]): void {
      viaF32(gpu, out!, (wide) => {
        const rows = rowsOfLastDim(x, wide);
        gpu.run(SHADERS.get(x.dtype), [wide, x], rows, gpu.line(rows.numel));
      });
    },
  };
}

/**
 * `e^(x - max) / sum of these` along the last dim, in f32; a row of -Infinity alone, or with NaN or Infinity in it, is NaN.
 *
 * The maximum and the sum are found in one pass over x (Milakov and Gimelshein, "Online normalizer calculation for
 * softmax", 2018), the quotients in a second, which finds x in a cache. 8 bytes of memory and about 40 operations an
 * element: memory-bound on a GPU.
 *
 * A workgroup makes a row; fours of f32 that lie together are read and written at once, anything else singly. Software
 * adapters run the invocations of a workgroup one after the other and stop at each barrier, so there a row has 4 of them
 * and not 128. 1024 x 1024, LLVM pipe / SwiftShader: three passes by 64 invocations, singly, 30 / 141 ms; this with 64
 * 23 / 93, with 8 10 / 26, with 4 11 / 23.
 *
 * What the invocations know of a row is merged (folding.ts) with 8 barriers by a tree (3 where there are 4 of them), 1 by
 * subgroups, which were run on software adapters only, and never timed on a GPU.
 */
import type { FusedKernels } from "../../../../core/src/backend.ts";
import type { DType } from "../../../../core/src/dtype.ts";
import type { WebGpuBuffer, WebGpuOperand } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import { Shader, Shaders } from "../../shader.ts";
import EXP_BELOW_ZERO from "../../wgsl/math/exp_below_zero.wgsl" with { type: "text" };
import { dtypeConstant, isGapless, PREAMBLE } from "../elementwise.ts";
import { type Folding, foldingFeatures, foldingFiles, foldingOn } from "../folding.ts";
import { rowsOfLastDim } from "../rows.ts";
import { viaF32 } from "../temporaries.ts";
import SINGLY from "./fours_singly.wgsl" with { type: "text" };
import WORDS from "./fours_words.wgsl" with { type: "text" };
import ROWS from "./rows.wgsl" with { type: "text" };
import RUNNING_SUBGROUP from "./running_subgroup.wgsl" with { type: "text" };
import RUNNING from "./running.wgsl" with { type: "text" };

/** Invocations of a workgroup. */
const LANES = 128;
const LANES_IN_SOFTWARE = 4;

const SHADERS = new Shaders((key) => {
  const [folding, lanes, fours, dtype] = key.split(" ") as [Folding, string, string, DType]; // as softmax() puts them
  const constants = { X: dtypeConstant(dtype), LANES: `${lanes}u` };
  const lines = fours === "words" ? WORDS : SINGLY;
  const files = [...PREAMBLE, EXP_BELOW_ZERO, lines, RUNNING, ...foldingFiles(folding, RUNNING_SUBGROUP), ROWS];
  return new Shader(`softmax_rows_${dtype}`, "wr", constants, files, foldingFeatures(folding));
});

/** The kernel. */
export function softmax(gpu: Gpu): NonNullable<FusedKernels<WebGpuBuffer>["softmax"]> {
  const lanes = gpu.acquired.software === true ? LANES_IN_SOFTWARE : LANES;
  const folding = foldingOn(gpu);
  return {
    layout: "strided",
    run([x], [out]): void {
      viaF32(gpu, out!, (wide) => {
        const rows = rowsOfLastDim(x, wide);
        const shader = SHADERS.get(`${folding} ${lanes} ${liesInFours(x) ? "words" : "singly"} ${x.dtype}`);
        gpu.run(shader, [wide, x], rows, gpu.line(rows.numel));
      });
    },
  };
}

/** Whether rows of f32 begin at multiples of 4 and are whole fours. */
function liesInFours({ dtype, shape, strides, offset }: WebGpuOperand): boolean {
  return dtype === "f32" && isGapless(shape, strides) && offset % 4 === 0 && shape.at(-1)! % 4 === 0;
}

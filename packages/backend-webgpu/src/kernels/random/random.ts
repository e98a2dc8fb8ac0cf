/** Uniform f32 in [0, 1): the top 24 bits of the first word of Threefry-2x32(seed, counter), over 2^24. */
import type { PrimitiveKernels } from "../../../../core/src/backend.ts";
import type { WebGpuBuffer } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import THREEFRY from "../../wgsl/threefry.wgsl" with { type: "text" };
import { elementwiseShaders, runElementwise } from "../elementwise.ts";
import UNIFORM from "./uniform.wgsl" with { type: "text" };

const SHADERS = elementwiseShaders(
  "",
  () => ({ label: "random_uniform_f32", constants: {}, files: [THREEFRY, UNIFORM] }),
);

/** The kernel. */
export function random(gpu: Gpu): PrimitiveKernels<WebGpuBuffer>["random"] {
  return {
    layout: "strided",
    run(_, [out], { seed, start, run, step }): void {
      runElementwise(gpu, SHADERS, "uniform", out!, [], [...seed, ...wordsOf(start), run, ...wordsOf(step)]);
    },
  };
}

/** A whole number as two words, low first. */
function wordsOf(value: number): [low: number, high: number] {
  return [value >>> 0, Math.floor(value / 2 ** 32)];
}

/** The table of kernels, made for one device. */
import type { Kernels } from "../../../core/src/backend.ts";
import type { WebGpuBuffer } from "../buffer.ts";
import type { Gpu } from "../gpu.ts";
import { attention } from "./attention/attention.ts";
import { binary } from "./binary/binary.ts";
import { copy } from "./copy/copy.ts";
import { fill } from "./fill/fill.ts";
import { gather } from "./gather/gather.ts";
import { matmul } from "./matmul/matmul.ts";
import { random } from "./random/random.ts";
import { reduce } from "./reduce/reduce.ts";
import { rmsNorm } from "./rms_norm/rms_norm.ts";
import { rope } from "./rope/rope.ts";
import { scan } from "./scan/scan.ts";
import { scatter } from "./scatter/scatter.ts";
import { siluMul } from "./silu_mul/silu_mul.ts";
import { softmax } from "./softmax/softmax.ts";
import { sort } from "./sort/sort.ts";
import { unary } from "./unary/unary.ts";
import { where } from "./where/where.ts";

/** Every kernel, recording on a device; `int8`: whether matmul quantises activations. */
export function kernelsOn(gpu: Gpu, int8: boolean): Kernels<WebGpuBuffer> {
  return {
    ...{ fill: fill(gpu), copy: copy(gpu), unary: unary(gpu), binary: binary(gpu), where: where(gpu) },
    ...{ reduce: reduce(gpu), scan: scan(gpu), matmul: matmul(gpu, int8), gather: gather(gpu), scatter: scatter(gpu) },
    ...{ sort: sort(gpu), random: random(gpu) },
    ...{ softmax: softmax(gpu), rmsNorm: rmsNorm(gpu), rope: rope(gpu), siluMul: siluMul(gpu) },
    attention: attention(gpu),
  };
}

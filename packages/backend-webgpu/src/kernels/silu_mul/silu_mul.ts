/** `silu(gate) * up`, where `silu(x) = x / (1 + e^-x)`: the middle of a gated MLP in one pass. */
import type { FusedKernels } from "../../../../core/src/backend.ts";
import type { DType } from "../../../../core/src/dtype.ts";
import type { WebGpuBuffer } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import EXP from "../../wgsl/math/exp.wgsl" with { type: "text" };
import { dtypeConstant, elementwiseShaders, runElementwise } from "../elementwise.ts";
import SILU_MUL from "./silu_mul.wgsl" with { type: "text" };

const SHADERS = elementwiseShaders("rr", (dtype) => ({
  label: `silu_mul_${dtype}`,
  constants: { X: dtypeConstant(dtype as DType) }, // as siluMul() gives it
  files: [EXP, SILU_MUL],
}));

/** The kernel. */
export function siluMul(gpu: Gpu): NonNullable<FusedKernels<WebGpuBuffer>["siluMul"]> {
  return {
    layout: "strided",
    run([gate, up], [out]): void {
      runElementwise(gpu, SHADERS, gate.dtype, out!, [gate, up]);
    },
  };
}

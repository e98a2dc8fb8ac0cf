/** `out = condition ? a : b`: bits are moved, so what is not chosen has no influence. */
import type { PrimitiveKernels } from "../../../../core/src/backend.ts";
import type { WebGpuBuffer } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import { dtypeConstant, elementwiseShaders, movedAs, runElementwise } from "../elementwise.ts";
import CHOOSE from "./choose.wgsl" with { type: "text" };
import type { DType } from "../../../../core/src/dtype.ts";

const SHADERS = elementwiseShaders("rrr", (key) => ({
  label: `where_${key}`,
  constants: { X: dtypeConstant(key as DType) }, // as where() gives it
  files: [CHOOSE],
}));

/** The kernel. */
export function where(gpu: Gpu): PrimitiveKernels<WebGpuBuffer>["where"] {
  return {
    layout: "strided",
    run([condition, a, b], [out]): void {
      runElementwise(gpu, SHADERS, movedAs(a.dtype), out!, [condition, a, b]);
    },
  };
}

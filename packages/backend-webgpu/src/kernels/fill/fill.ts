/** `out[i] = value + i * step`: a constant's bits are made by the host, a range is computed in f32 or in integers. */
import type { PrimitiveKernels } from "../../../../core/src/backend.ts";
import { type DType, isFloat } from "../../../../core/src/dtype.ts";
import { f32ToBf16, f32ToF16 } from "../../../../core/src/half.ts";
import type { WebGpuBuffer } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import { f32Bits } from "../../parameters.ts";
import { dtypeConstant, elementwiseShaders, runElementwise } from "../elementwise.ts";
import CONSTANT from "./constant.wgsl" with { type: "text" };
import FLOAT_RANGE from "./float_range.wgsl" with { type: "text" };
import INT_RANGE from "./int_range.wgsl" with { type: "text" };

const FILES: Readonly<Record<string, string>> = { constant: CONSTANT, float: FLOAT_RANGE, int: INT_RANGE };

const SHADERS = elementwiseShaders("", (key) => {
  const [variant, dtype] = key.split(" ") as [string, DType]; // as fill() puts them together
  return { label: `fill_${variant}_${dtype}`, constants: { OUT: dtypeConstant(dtype) }, files: [FILES[variant]!] };
});

/** The bits of a constant, converted as copy converts it. */
function bitsOf(value: number, dtype: DType): number {
  if (dtype === "f32") return f32Bits(value);
  if (dtype === "f16") return f32ToF16(value);
  if (dtype === "bf16") return f32ToBf16(value);
  if (dtype === "bool") return value === 0 ? 0 : 1;
  const [low, high] = dtype === "u8" ? [0, 255] : [-0x80000000, 0x7fffffff];
  return Math.max(low, Math.min(high, Math.trunc(value))) || 0; // of NaN it is 0
}

/** The kernel. */
export function fill(gpu: Gpu): PrimitiveKernels<WebGpuBuffer>["fill"] {
  return {
    layout: "strided",
    run(_, [out], { value, step }): void {
      const { dtype } = out!;
      if (step === 0) {
        runElementwise(gpu, SHADERS, `constant ${dtype}`, out!, [], [bitsOf(value, dtype)]);
      } else if (!isFloat(dtype) && Number.isInteger(value) && Number.isInteger(step)) {
        runElementwise(gpu, SHADERS, `int ${dtype}`, out!, [], [value | 0, step | 0]);
      } else {
        runElementwise(gpu, SHADERS, `float ${dtype}`, out!, [], [f32Bits(value), f32Bits(step)]);
      }
    },
  };
}

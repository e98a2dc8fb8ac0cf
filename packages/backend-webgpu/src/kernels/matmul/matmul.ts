/**
 * `[batch…, M, K] x [batch…, K, N] -> [batch…, M, N]`, any strides; floats in f32, ints wrap, truth values by "and", "or".
 * The right operand may be of any storage dtype; halves and blocks are decoded where they are read.
 *
 * - `naive`: an invocation an element. The reference; it takes everything, and is used for few rows;
 * - `tiled`: 64 x 64 elements a workgroup of 256, 4 x 4 an invocation, K in steps of 16 through workgroup memory. Each
 *   operand is read from memory K / 64 times less often: 2 * 64 * 64 * 16 operations for 2 * 64 * 16 elements, that is
 *   16 operations a loaded word.
 */
import type { PrimitiveKernels } from "../../../../core/src/backend.ts";
import { type DType, isFloat } from "../../../../core/src/dtype.ts";
import { numelOf } from "../../../../core/src/shape.ts";
import type { WebGpuBuffer, WebGpuOperand } from "../../buffer.ts";
import type { Gpu, Grid } from "../../gpu.ts";
import { Shader, Shaders } from "../../shader.ts";
import { elementConstant, elementFiles } from "../decoding.ts";
import { dtypeConstant, PREAMBLE } from "../elementwise.ts";
import { viaF32 } from "../temporaries.ts";
import INT_NAIVE from "./int_naive.wgsl" with { type: "text" };
import NAIVE from "./naive.wgsl" with { type: "text" };
import OPERANDS from "./operands.wgsl" with { type: "text" };
import TILED from "./tiled.wgsl" with { type: "text" };

/** Rows below which a tile would be mostly empty. */
const TILED_FROM_ROWS = 8;
const TILE = 64;
const WORKGROUP = 64;

const SHADERS = new Shaders((key) => {
  const [variant, left, right] = key.split(" ") as [string, DType, DType]; // as multiply() puts them together
  const constants = { LEFT: dtypeConstant(left), X: elementConstant(right) };
  const files = isFloat(left) ? [variant === "tiled" ? TILED : NAIVE] : [INT_NAIVE];
  const label = `matmul_${variant}_${left}${left === right ? "" : `_${right}`}`;
  return new Shader(label, "wrr", constants, [...PREAMBLE, OPERANDS, ...elementFiles(right), ...files]);
});

/** The kernel. */
export function matmul(gpu: Gpu): PrimitiveKernels<WebGpuBuffer>["matmul"] {
  return {
    layout: "strided",
    run([a, b], [out]): void {
      viaF32(gpu, out!, (wide) => multiply(gpu, a, b, wide));
    },
  };
}

function multiply(gpu: Gpu, a: WebGpuOperand, b: WebGpuOperand, out: WebGpuOperand): void {
  const batchDims = out.shape.length - 2;
  const [m, n, k] = [out.shape.at(-2)!, out.shape.at(-1)!, a.shape.at(-1)!];
  const shape = out.shape.slice(0, batchDims);
  const batch = numelOf(shape);
  const parameters = {
    shape,
    operands: [out, a, b].map(({ strides, offset }) => ({ strides: strides.slice(0, batchDims), offset })),
    numel: batch,
    attrs: [m, n, k, 0, a.strides.at(-2)!, a.strides.at(-1)!, b.strides.at(-2)!, b.strides.at(-1)!],
  };
  const tiled = isFloat(a.dtype) && m >= TILED_FROM_ROWS;
  const grid: Grid = tiled
    ? [Math.ceil(n / TILE), Math.ceil(m / TILE), Math.min(batch, gpu.device.limits.maxComputeWorkgroupsPerDimension)]
    : gpu.line(Math.ceil(batch * m * n / WORKGROUP));
  gpu.run(SHADERS.get(`${tiled ? "tiled" : "naive"} ${a.dtype} ${b.dtype}`), [out, a, b], parameters, grid);
}

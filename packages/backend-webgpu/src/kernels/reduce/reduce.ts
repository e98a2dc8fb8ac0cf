/**
 * `[kept…, reduced…] -> [kept…]`: rows of elements to one each. Floats are summed in f32, ints wrap.
 *
 * - `thread`: an invocation a row, for many short ones;
 * - `workgroup`: 256 invocations a row, each a share of it, then a fold of what they have (folding.ts): also shorter sums,
 *   so smaller errors. 9 barriers a row by a tree; for sums 1 by subgroups, which were run on software adapters only, and
 *   never timed on a GPU.
 *
 * An extreme is found as a place: the element's bits are then moved as they are, NaN included.
 */
import type { PrimitiveKernels, ReduceOp } from "../../../../core/src/backend.ts";
import { type DType, isFloat } from "../../../../core/src/dtype.ts";
import { collapse, Layout } from "../../../../core/src/layout.ts";
import type { WebGpuBuffer, WebGpuOperand } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import type { Parameters } from "../../parameters.ts";
import { Shader, Shaders } from "../../shader.ts";
import ROWS from "../../wgsl/rows.wgsl" with { type: "text" };
import { dtypeConstant, PREAMBLE } from "../elementwise.ts";
import { type Folding, foldingFeatures, foldingFiles, foldingOn } from "../folding.ts";
import { viaF32 } from "../temporaries.ts";
import EXTREME from "./extreme.wgsl" with { type: "text" };
import FLOATS from "./floats.wgsl" with { type: "text" };
import INTS from "./ints.wgsl" with { type: "text" };
import THREAD from "./thread.wgsl" with { type: "text" };
import TRUTH from "./truth.wgsl" with { type: "text" };
import WORKGROUP from "./workgroup.wgsl" with { type: "text" };

/** Invocations of a workgroup in thread.wgsl. */
const ROWS_A_WORKGROUP = 64;

/** Invocations of a workgroup in workgroup.wgsl. */
const LANES = 256;

/** Who folds a row: an invocation, or a workgroup in one of its ways. */
type Variant = "thread" | Folding;

function foldFile(op: ReduceOp, dtype: DType): string {
  if (op === "any" || op === "all") return TRUTH;
  if (op === "sum" || op === "prod") return isFloat(dtype) ? FLOATS : INTS;
  return EXTREME;
}

const SHADERS = new Shaders((key) => {
  const [variant, op, from, to] = key.split(" ") as [Variant, ReduceOp, DType, DType]; // as reduceRows() puts them
  const constants = {
    X: dtypeConstant(from),
    OUT: dtypeConstant(to),
    PRODUCT: `${op === "prod"}`,
    SMALLEST: `${op === "min" || op === "argmin"}`,
    PLACE: `${op === "argmax" || op === "argmin"}`,
    ALL: `${op === "all"}`,
    LANES: `${LANES}u`,
  };
  const files = [...PREAMBLE, ROWS, foldFile(op, from)];
  if (variant === "thread") return new Shader(`reduce_${op}_thread_${from}`, "wr", constants, [...files, THREAD]);
  const all = [...files, ...foldingFiles(variant), WORKGROUP];
  return new Shader(`reduce_${op}_workgroup_${from}`, "wr", constants, all, foldingFeatures(variant));
});

/** The kernel. */
export function reduce(gpu: Gpu): PrimitiveKernels<WebGpuBuffer>["reduce"] {
  return {
    layout: "strided",
    run([x], [out], { op, dims }): void {
      viaF32(gpu, out!, (wide) => reduceRows(gpu, op, x, wide, dims));
    },
  };
}

function reduceRows(gpu: Gpu, op: ReduceOp, x: WebGpuOperand, out: WebGpuOperand, dims: number): void {
  const parameters = rowParameters(x, dims);
  const { numel, length = 1 } = parameters;
  const byThread = length < 64 || (length < 256 && numel >= 1024);
  const variant = byThread ? "thread" : op === "sum" ? foldingOn(gpu) : "tree";
  const grid = gpu.line(byThread ? Math.ceil(numel / ROWS_A_WORKGROUP) : numel);
  gpu.run(SHADERS.get(`${variant} ${op} ${x.dtype} ${out.dtype}`), [out, x], parameters, grid);
}

/** Rows of the last `dims` dims, both kinds of dims as few as strides allow. */
function rowParameters({ shape, strides, offset }: WebGpuOperand, dims: number): Parameters {
  const kept = shape.length - dims;
  const outer = collapse([new Layout(shape.slice(0, kept), strides.slice(0, kept), offset)])[0]!;
  const inner = collapse([new Layout(shape.slice(kept), strides.slice(kept), 0)])[0]!;
  const steps = [...outer.strides, ...inner.strides];
  return {
    shape: [...outer.shape, ...inner.shape],
    operands: [{ strides: steps.map(() => 0), offset: 0 }, { strides: steps, offset }],
    outer: outer.shape.length,
    numel: outer.numel,
    length: inner.numel,
  };
}

/**
 * `out[…, index[i0, …], …] += source[i0, …]`, or `=`, in place.
 *
 * Deterministic without float atomics: an invocation owns a line of out along `dim` (all other coordinates fixed) and
 * goes through the index along it in order. No two lines share an element, and within a line the last write wins. Work
 * is parallel over all dims but `dim`: for an embedding's gradient over its columns.
 */
import type { IndexAttrs, PrimitiveKernels } from "../../../../core/src/backend.ts";
import { type DType, isFloat } from "../../../../core/src/dtype.ts";
import { numelOf } from "../../../../core/src/shape.ts";
import { isHalf, type WebGpuBuffer, type WebGpuOperand } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import { Shader, Shaders } from "../../shader.ts";
import INDEX from "../../wgsl/check_index.wgsl" with { type: "text" };
import { copyElements } from "../copy/copy.ts";
import { dtypeConstant, PREAMBLE } from "../elementwise.ts";
import { armIndices } from "../indices.ts";
import { withTemporary } from "../temporaries.ts";
import LINES from "./lines.wgsl" with { type: "text" };

const WORKGROUP = 64;

/** How an element of a dtype takes another in, given both as bits. */
function storeOf(mode: string, dtype: DType): string {
  if (mode === "set") return "value";
  if (isFloat(dtype)) return "bitcast<u32>(bitcast<f32>(old) + bitcast<f32>(value))";
  if (dtype === "bool") return "old | value";
  return dtype === "u8" ? "(old + value) & 255u" : "old + value";
}

const SHADERS = new Shaders((key) => {
  const [mode, from, to] = key.split(" ") as [string, DType, DType]; // as scatterLines() puts them together
  const store = `fn store(old: u32, value: u32) -> u32 { return ${storeOf(mode, to)}; }`;
  const constants = { X: dtypeConstant(from), STATUS: 4 };
  return new Shader(`scatter_${mode}_${from}`, "wrrw", constants, [...PREAMBLE, INDEX, store, LINES]);
});

/** The kernel. */
export function scatter(gpu: Gpu): PrimitiveKernels<WebGpuBuffer>["scatter"] {
  return {
    layout: "strided",
    run([index, source], [out], attrs): void {
      if (!isHalf(out!.dtype)) return scatterLines(gpu, index, source, out!, attrs);
      withTemporary(gpu, "f32", out!.shape, (wide) => {
        copyElements(gpu, out!, wide);
        scatterLines(gpu, index, source, wide, attrs);
        copyElements(gpu, wide, out!);
      });
    },
  };
}

function scatterLines(
  gpu: Gpu,
  index: WebGpuOperand,
  source: WebGpuOperand,
  out: WebGpuOperand,
  { dim, op, mode }: IndexAttrs & { readonly mode: "add" | "set" },
): void {
  const { tag, status } = armIndices(gpu, op, index, out.shape, dim);
  const others = [out, index, source].map(({ strides, offset }) => ({ strides: strides.with(dim, 0), offset }));
  const shape = index.shape.with(dim, 1);
  const numel = numelOf(shape);
  const attrs = [out.shape[dim]!, out.strides[dim]!, index.strides[dim]!, source.strides[dim]!, tag];
  const parameters = { shape, operands: others, numel, length: index.shape[dim]!, attrs };
  const shader = SHADERS.get(`${mode} ${source.dtype} ${out.dtype}`);
  gpu.run(shader, [out, index, source, status], parameters, gpu.line(Math.ceil(numel / WORKGROUP)));
}

/**
 * `out[…, index[i0, …], …] += source[i0, …]`, or `=`, in place.
 *
 * Deterministic without float atomics, and in the order of the index:
 *
 * - `lines`: an invocation owns a line of out along `dim` (all other coordinates fixed) and goes through the index along
 *   it. No two lines share an element, and within a line the last write wins. Work is parallel over all dims but `dim`: for
 *   an embedding's gradient over its columns;
 * - `runs`: the index is sorted along `dim`, stably, and an invocation owns a run of equal ones. For a few long lines on
 *   GPUs; on llvmpipe sorting 4 million takes 23 times as long as one line of them.
 *
 * A dispatch goes no further than WINDOW places along a line: a GPU's watchdog ends what takes seconds, and llvmpipe, without
 * a word, each loop after 65,535 turns.
 */
import type { IndexAttrs, PrimitiveKernels } from "../../../../core/src/backend.ts";
import { type DType, isFloat, isHalf } from "../../../../core/src/dtype.ts";
import { numelOf } from "../../../../core/src/shape.ts";
import type { WebGpuBuffer, WebGpuOperand } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import { Shader, Shaders } from "../../shader.ts";
import INDEX from "../../wgsl/check_index.wgsl" with { type: "text" };
import { copyElements } from "../copy/copy.ts";
import { dtypeConstant, PREAMBLE } from "../elementwise.ts";
import { armIndices } from "../indices.ts";
import { sort } from "../sort/sort.ts";
import { withTemporary } from "../temporaries.ts";
import LINES from "./lines.wgsl" with { type: "text" };
import RUNS from "./runs.wgsl" with { type: "text" };

const WORKGROUP = 64;

/** Places along a line that a dispatch does. */
const WINDOW = 2 ** 15;

/** Fewer lines than this leave most of a GPU idle, and a line of more places than this takes longer than sorting it. */
const MANY_LINES = 256;
const LONG_LINE = 2 ** 12;

/** How an element of a dtype takes another in, given both as bits. */
function storeOf(mode: string, dtype: DType): string {
  if (mode === "set") return "value";
  if (isFloat(dtype)) return "bitcast<u32>(bitcast<f32>(old) + bitcast<f32>(value))";
  if (dtype === "bool") return "old | value";
  return dtype === "u8" ? "(old + value) & 255u" : "old + value";
}

const SHADERS = new Shaders((key) => {
  const [mode, from, to, way] = key.split(" ") as [string, DType, DType, string]; // as record() puts them together
  const store = `fn store(old: u32, value: u32) -> u32 { return ${storeOf(mode, to)}; }`;
  const constants = { X: dtypeConstant(from), STATUS: 4, WINDOW: `${WINDOW}u` };
  const files = [...PREAMBLE, INDEX, store];
  if (way === "lines") return new Shader(`scatter_${mode}_${from}`, "wrrw", constants, [...files, LINES]);
  return new Shader(`scatter_runs_${mode}_${from}`, "wrrwr", constants, [...files, RUNS]);
});

/** What is written, and how. */
type Attrs = IndexAttrs & { readonly mode: "add" | "set" };

/** The kernel. */
export function scatter(gpu: Gpu): PrimitiveKernels<WebGpuBuffer>["scatter"] {
  return {
    layout: "strided",
    run([index, source], [out], attrs): void {
      if (!isHalf(out!.dtype)) return scatterInto(gpu, index, source, out!, attrs);
      withTemporary(gpu, "f32", out!.shape, (wide) => {
        copyElements(gpu, out!, wide);
        scatterInto(gpu, index, source, wide, attrs);
        copyElements(gpu, wide, out!);
      });
    },
  };
}

function scatterInto(gpu: Gpu, index: WebGpuOperand, source: WebGpuOperand, out: WebGpuOperand, attrs: Attrs): void {
  const length = index.shape[attrs.dim]!;
  const few = numelOf(index.shape) < MANY_LINES * length;
  if (gpu.acquired.software === true || !few || length <= LONG_LINE) return record(gpu, index, source, out, attrs);
  withSorted(gpu, index, attrs.dim, (sorted, order) => record(gpu, sorted, source, out, attrs, order));
}

/** Lets `use` record work on an index sorted along `dim`, and where its elements were; dims that it repeats are so there. */
function withSorted(
  gpu: Gpu,
  index: WebGpuOperand,
  dim: number,
  use: (sorted: WebGpuOperand, order: WebGpuOperand) => void,
): void {
  const shape = index.shape.map((size, d) => index.strides[d] === 0 && d !== dim ? 1 : size);
  const whole = (x: WebGpuOperand): WebGpuOperand => {
    return { ...x, shape: index.shape, strides: x.strides.map((step, d) => shape[d] === 1 && d !== dim ? 0 : step) };
  };
  withTemporary(
    gpu,
    "i32",
    shape,
    (sorted) =>
      withTemporary(gpu, "i32", shape, (order) => {
        sort(gpu).run([{ ...index, shape }], [sorted, order], { dim, descending: false });
        use(whole(sorted), whole(order));
      }),
  );
}

/** Records the dispatches: by lines, or by runs of a sorted index where its `order` is given. */
function record(
  gpu: Gpu,
  index: WebGpuOperand,
  source: WebGpuOperand,
  out: WebGpuOperand,
  { dim, op, mode }: Attrs,
  order?: WebGpuOperand,
): void {
  const { tag, status } = armIndices(gpu, op, index, out.shape, dim);
  const others = [out, index, source].map(({ strides, offset }) => ({ strides: strides.with(dim, 0), offset }));
  const shape = index.shape.with(dim, 1);
  const [lines, length] = [numelOf(shape), index.shape[dim]!];
  const attrs = [out.shape[dim]!, out.strides[dim]!, index.strides[dim]!, source.strides[dim]!, tag];
  const shader = SHADERS.get(`${mode} ${source.dtype} ${out.dtype} ${order === undefined ? "lines" : "runs"}`);
  const grid = gpu.line(Math.ceil(lines * (order === undefined ? 1 : WINDOW) / WORKGROUP));
  const operands = [out, index, source, status, ...(order === undefined ? [] : [order])];
  for (let first = 0; first < length; first += WINDOW) {
    gpu.run(shader, operands, { shape, operands: others, numel: lines, length, attrs: [...attrs, first] }, grid);
  }
}

/**
 * Values and their i32 places along `dim`: stable, NaN largest.
 *
 * Elements are sorted as pairs (order, place) of integers, of which no two are equal, so any way of sorting is stable:
 *
 * 1. `chunks`: a workgroup sorts up to 1024 pairs in its own memory (bitonic: log^2 steps, no branches that diverge);
 * 2. `merge`: two sorted runs become one, each pair finding its place by a binary search in the other run; log2 of the
 *    number of chunks times;
 * 3. `write`: values are fetched by place, bits as they are.
 */
import type { PrimitiveKernels } from "../../../../core/src/backend.ts";
import type { DType } from "../../../../core/src/dtype.ts";
import { numelOf } from "../../../../core/src/shape.ts";
import type { WebGpuBuffer, WebGpuOperand } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import { Shader, Shaders } from "../../shader.ts";
import { dtypeConstant, PREAMBLE } from "../elementwise.ts";
import { viaF32, withTemporary } from "../temporaries.ts";
import CHUNKS from "./chunks.wgsl" with { type: "text" };
import MERGE from "./merge.wgsl" with { type: "text" };
import WRITE from "./write.wgsl" with { type: "text" };

const WORKGROUP = 64;
const SMALL_CHUNK = 64;
const LARGE_CHUNK = 1024;

const CHUNK_SHADERS = new Shaders((key) => {
  const [dtype, chunk] = key.split(" ") as [DType, string]; // as sortChunks() puts them together
  const constants = { X: dtypeConstant(dtype), CHUNK: `${chunk}u`, LANES: `${Math.min(256, Number(chunk) / 2)}u` };
  return new Shader(`sort_chunks_${dtype}`, "wwr", constants, [...PREAMBLE, CHUNKS]);
});

const MERGE_SHADER = new Shader("sort_merge", "wwrr", {}, [...PREAMBLE, MERGE]);

const WRITE_SHADERS = new Shaders((dtype) => {
  const constants = { X: dtypeConstant(dtype as DType) }; // as writeSorted() gives it
  return new Shader(`sort_write_${dtype}`, "wwrr", constants, [...PREAMBLE, WRITE]);
});

/** Pairs of all rows: integers in the order of the elements, and places within the row. */
interface Pairs {
  readonly orders: WebGpuOperand;
  readonly places: WebGpuOperand;
}

/** The kernel. */
export function sort(gpu: Gpu): PrimitiveKernels<WebGpuBuffer>["sort"] {
  return {
    layout: "strided",
    run([x], [values, indices], { dim, descending }): void {
      const n = x.shape[dim]!;
      const chunk = n <= SMALL_CHUNK ? SMALL_CHUNK : LARGE_CHUNK;
      withPairs(gpu, numelOf(x.shape), (pairs) =>
        withPairs(gpu, n > chunk ? numelOf(x.shape) : 1, (spare) => {
          sortChunks(gpu, x, pairs, dim, chunk, descending);
          let [from, to] = [pairs, spare];
          for (let run = chunk; run < n; run *= 2) {
            mergeRuns(gpu, from, to, n, run);
            [from, to] = [to, from];
          }
          viaF32(gpu, values!, (wide) => writeSorted(gpu, x, from.places, wide, indices!, dim));
        }));
    },
  };
}

function withPairs(gpu: Gpu, numel: number, use: (pairs: Pairs) => void): void {
  withTemporary(
    gpu,
    "i32",
    [numel],
    (orders) => withTemporary(gpu, "i32", [numel], (places) => use({ orders, places })),
  );
}

function sortChunks(
  gpu: Gpu,
  x: WebGpuOperand,
  { orders, places }: Pairs,
  dim: number,
  chunk: number,
  descending: boolean,
): void {
  const shape = x.shape.with(dim, 1);
  const length = x.shape[dim]!;
  const chunks = Math.ceil(length / chunk);
  const rows = numelOf(shape);
  const parameters = {
    shape,
    operands: [{ strides: shape.map(() => 0), offset: 0 }, x],
    numel: rows,
    length,
    attrs: [x.strides[dim]!, descending ? 0xffffffff : 0, chunks],
  };
  gpu.run(CHUNK_SHADERS.get(`${x.dtype} ${chunk}`), [orders, places, x], parameters, gpu.line(rows * chunks));
}

function mergeRuns(gpu: Gpu, from: Pairs, to: Pairs, length: number, run: number): void {
  const numel = from.orders.shape[0]!;
  const parameters = { shape: [numel], operands: [], numel, length, attrs: [run] };
  const operands = [to.orders, to.places, from.orders, from.places];
  gpu.run(MERGE_SHADER, operands, parameters, gpu.line(Math.ceil(numel / WORKGROUP)));
}

/** Walks elements row by row: the sorted dim becomes the last. */
function writeSorted(
  gpu: Gpu,
  x: WebGpuOperand,
  places: WebGpuOperand,
  values: WebGpuOperand,
  indices: WebGpuOperand,
  dim: number,
): void {
  const last = <T>(list: readonly T[], end: T): T[] => [...list.toSpliced(dim, 1), end];
  const shape = last(x.shape, x.shape[dim]!);
  const parameters = {
    shape,
    operands: [
      { strides: last(values.strides, values.strides[dim]!), offset: values.offset },
      { strides: last(x.strides, 0), offset: x.offset },
    ],
    numel: numelOf(shape),
    attrs: [x.strides[dim]!],
  };
  const grid = gpu.line(Math.ceil(parameters.numel / WORKGROUP));
  gpu.run(WRITE_SHADERS.get(x.dtype), [values, indices, x, places], parameters, grid);
}

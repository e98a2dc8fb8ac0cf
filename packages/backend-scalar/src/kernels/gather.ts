/**
 * `out[i0, …] = x[…, index[i0, …], …]`, the index put in at `dim`; elements are moved as they are stored, blocks are
 * decoded.
 *
 * Where all dims after `dim` use one index (an embedding: x `[V, E]`, index `[T, E]` expanded from `[T, 1]`) and x has
 * their elements without gaps, whole rows move at once, and blocks are decoded once.
 */
import type { PrimitiveKernels } from "../../../core/src/backend.ts";
import { isBlock } from "../../../core/src/dtype.ts";
import { contiguousStrides } from "../../../core/src/layout.ts";
import { numelOf } from "../../../core/src/shape.ts";
import { decodeRow, makeRow } from "../blocks.ts";
import type { ScalarBuffer, ScalarOperand } from "../buffer.ts";
import { viaF32 } from "../halves.ts";
import { checkIndices } from "../indices.ts";
import { Walk } from "../walk.ts";

/** The kernel. */
export const gather: PrimitiveKernels<ScalarBuffer>["gather"] = {
  layout: "strided",
  run([x, index], [out], { dim, op }): void {
    checkIndices(op, index, x.shape, dim);
    if (!isBlock(x.dtype)) gatherRows(x, index, out!, dim);
    else if (out!.dtype === "f32") gatherBlocks(x, index, out!, dim);
    else viaF32(out!, (wide) => gatherBlocks(x, index, wide, dim));
  },
};

/** Calls `move(from, to)` for every index: where its row starts in x and in out, which is filled in order. */
function eachRow(
  x: ScalarOperand,
  index: ScalarOperand,
  dim: number,
  rowDims: number,
  rowLength: number,
  move: (from: number, to: number) => void,
): void {
  const indices = index.buffer.elements;
  const stride = x.strides[dim]!;
  const others = x.strides.map((s, d) => d === dim ? 0 : s);
  const shape = index.shape.slice(0, index.shape.length - rowDims);
  const walk = new Walk(shape, [index.strides, others], [index.offset, x.offset]);
  let to = 0;
  do {
    move(walk.at[1]! + indices[walk.at[0]!]! * stride, to);
    to += rowLength;
  } while (walk.next());
}

/** How many dims after `dim` form a row: one index for all, elements of x without gaps. */
function rowDimsOf(x: ScalarOperand, index: ScalarOperand, dim: number): number {
  const { shape } = index;
  const gapless = contiguousStrides(shape);
  let d = shape.length;
  while (d - 1 > dim && (shape[d - 1] === 1 || (index.strides[d - 1] === 0 && x.strides[d - 1] === gapless[d - 1]))) {
    d--;
  }
  return shape.length - d;
}

function gatherRows(x: ScalarOperand, index: ScalarOperand, out: ScalarOperand, dim: number): void {
  const [from, to] = [x.buffer.elements, out.buffer.elements];
  const rowDims = rowDimsOf(x, index, dim);
  const n = numelOf(index.shape.slice(index.shape.length - rowDims));
  eachRow(x, index, dim, rowDims, n, (ix, io) => {
    for (let i = 0; i < n; i++) to[io + i] = from[ix + i]!;
  });
}

function gatherBlocks(x: ScalarOperand, index: ScalarOperand, out: ScalarOperand, dim: number): void {
  const to = out.buffer.elements;
  const rowDims = rowDimsOf(x, index, dim);
  const n = numelOf(index.shape.slice(index.shape.length - rowDims));
  const row = makeRow(x.buffer, n);
  eachRow(x, index, dim, rowDims, n, (ix, io) => {
    const start = decodeRow(x.buffer, ix, n, row);
    for (let i = 0; i < n; i++) to[io + i] = row[start + i]!;
  });
}

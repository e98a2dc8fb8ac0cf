/**
 * `out = source`, any view to any view of the same shape, with a cast where dtypes differ (`elements.ts` says how).
 *
 * Blocks: the order in which elements are copied is free, so the dim along which blocks lie is made the innermost, each
 * row of it is decoded once and then put where `out` wants it. A transposed matrix is thus no special case. An `out` of
 * blocks (q8_0) is written the same way, a row of whole blocks at a time; blocks that lie alike in both are moved.
 */
import type { PrimitiveKernels } from "../../../core/src/backend.ts";
import { type DType, dtypeInfo, isBlock } from "../../../core/src/dtype.ts";
import { internalError } from "../../../core/src/errors.ts";
import { bf16ToF32, decodeBf16, decodeF16, f16ToF32 } from "../../../core/src/half.ts";
import { decodeRow, formatOf, makeRow } from "../blocks.ts";
import { ScalarBuffer, type ScalarOperand } from "../buffer.ts";
import { asBytes, type Elements, narrowing, widening } from "../elements.ts";
import { Walk, without } from "../walk.ts";

/** `out[io + i * so] = x[ix + i * sx]` for i < n. */
type Move = (x: Elements, ix: number, sx: number, out: Elements, io: number, so: number, n: number) => void;

/** Elements that are rounded to blocks at a time: many blocks, and little beside a tensor. */
const PIECE = 4096;

/** The kernel. */
export const copy: PrimitiveKernels<ScalarBuffer>["copy"] = {
  layout: "strided",
  run([source], [out]): void {
    copyElements(source, out!);
  },
};

/** The kernel's function, for other kernels. */
export function copyElements(source: ScalarOperand, out: ScalarOperand): void {
  if (isBlock(out.dtype)) return writeBlocks(source, out);
  if (isBlock(source.dtype)) return copyBlocks(source, out);
  const move = moveOf(source.dtype, out.dtype);
  const [from, to] = [source.buffer.elements, out.buffer.elements];
  const last = source.shape.length - 1;
  if (last < 0) return move(from, source.offset, 0, to, out.offset, 0, 1);
  const n = source.shape[last]!;
  const [sx, so] = [source.strides[last]!, out.strides[last]!];
  if (last === 0) return move(from, source.offset, sx, to, out.offset, so, n);
  const walk = new Walk(source.shape.slice(0, last), [source.strides, out.strides], [source.offset, out.offset]);
  do move(from, walk.at[0]!, sx, to, walk.at[1]!, so, n); while (walk.next());
}

function moveOf(from: DType, to: DType): Move {
  if (from === to) return moveStored;
  const [widen, narrow] = [widening(from), narrowing(from, to)];
  if (widen === undefined && narrow === undefined) return moveStored;
  if (to === "f32" && from === "f16") return moveF16ToF32;
  if (to === "f32" && from === "bf16") return moveBf16ToF32;
  return converting(widen ?? same, narrow ?? same);
}

function same(value: number): number {
  return value;
}

/** The store converts, if anything must. */
function moveStored(x: Elements, ix: number, sx: number, out: Elements, io: number, so: number, n: number): void {
  if (n >= 64 && sx === 1 && so === 1) return out.set(x.subarray(ix, ix + n), io); // below, a loop is faster
  for (let i = 0; i < n; i++, ix += sx, io += so) out[io] = x[ix]!;
}

function converting(widen: (stored: number) => number, narrow: (value: number) => number): Move {
  return (x, ix, sx, out, io, so, n) => {
    for (let i = 0; i < n; i++, ix += sx, io += so) out[io] = narrow(widen(x[ix]!));
  };
}

/** Rows without gaps at once, others an element at a time. */
function decoding(decode: typeof decodeF16, move: Move): Move {
  return (x, ix, sx, out, io, so, n) => {
    const row = sx === 1 && so === 1 && x instanceof Uint16Array && out instanceof Float32Array;
    if (row) decode(x, ix, out, io, n);
    else move(x, ix, sx, out, io, so, n);
  };
}

const moveF16ToF32 = decoding(decodeF16, converting(f16ToF32, same));
const moveBf16ToF32 = decoding(decodeBf16, converting(bf16ToF32, same));

function copyBlocks(source: ScalarOperand, out: ScalarOperand): void {
  const order = source.shape.map((_, d) => d).sort((a, b) => stepOf(source, b) - stepOf(source, a));
  const last = order.pop()!;
  const [n, sx, so] = [source.shape[last]!, source.strides[last]!, out.strides[last]!];
  const span = (n - 1) * sx + 1;
  const row = makeRow(source.buffer, span);
  const move = moveOf("f32", out.dtype);
  const pick = (list: readonly number[]): number[] => order.map((d) => list[d]!);
  const walk = new Walk(pick(source.shape), [pick(source.strides), pick(out.strides)], [source.offset, out.offset]);
  do {
    const start = decodeRow(source.buffer, walk.at[0]!, span, row);
    move(row, start, sx, out.buffer.elements, walk.at[1]!, so, n);
  } while (walk.next());
}

function writeBlocks(source: ScalarOperand, out: ScalarOperand): void {
  const inner = out.strides.findIndex((stride, d) => stride === 1 && out.shape[d]! > 1);
  const [n, sx] = [out.shape[inner]!, source.strides[inner]!];
  const write = source.dtype === out.dtype && sx === 1 ? movingBlocks(source, out, n) : encodingRow(source, sx, out, n);
  const strides = [without(source.strides, inner), without(out.strides, inner)];
  const walk = new Walk(without(out.shape, inner), strides, [source.offset, out.offset]);
  do write(walk.at[0]!, walk.at[1]!); while (walk.next());
}

/** Writes the `n` elements of source from `ix` on into those of out from `io` on. */
type WriteRow = (ix: number, io: number) => void;

function movingBlocks(source: ScalarOperand, out: ScalarOperand, n: number): WriteRow {
  const [from, to] = [asBytes(source.buffer.elements), asBytes(out.buffer.elements)];
  const { blockSize, blockBytes } = dtypeInfo(out.dtype);
  const bytesTo = (element: number): number => element / blockSize * blockBytes;
  return (ix, io) => to.set(from.subarray(bytesTo(ix), bytesTo(ix + n)), bytesTo(io));
}

function encodingRow(source: ScalarOperand, sx: number, out: ScalarOperand, n: number): WriteRow {
  const { encode } = formatOf(out.buffer);
  if (encode === undefined) throw internalError(`${out.dtype} blocks cannot be written`);
  const piece = new Float32Array(Math.min(n, PIECE));
  const buffer = new ScalarBuffer("f32", piece.length, piece);
  const bytes = asBytes(out.buffer.elements);
  const { blockSize, blockBytes } = dtypeInfo(out.dtype);
  return (ix, io) => {
    for (let i = 0; i < n; i += PIECE) {
      const shape = [Math.min(PIECE, n - i)];
      const from = { ...source, shape, strides: [sx], offset: ix + i * sx };
      copyElements(from, { buffer, dtype: "f32", shape, strides: [1], offset: 0 });
      encode(piece, 0, bytes, (io + i) / blockSize * blockBytes, shape[0]! / blockSize);
    }
  };
}

/** Dims that repeat elements go outermost, as do those of size 1. */
function stepOf(x: ScalarOperand, dim: number): number {
  return x.shape[dim] === 1 || x.strides[dim] === 0 ? Number.MAX_SAFE_INTEGER : x.strides[dim]!;
}

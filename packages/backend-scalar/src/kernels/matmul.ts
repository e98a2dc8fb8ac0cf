/**
 * `[batch…, M, K] x [batch…, K, N] -> [batch…, M, N]`, any strides; sums in f64, one batch element at a time.
 *
 * f64, ints and bool: `multiplyPlain`, three loops and no more. f32 (halves are widened to it) goes by how b lies:
 *
 * - K is gapless (a weight `[out, in]`, transposed): dot products, four columns at a time;
 * - N is gapless: rows of b added to rows of sums, four rows at a time;
 * - else four columns at a time are gathered first.
 *
 * b in another storage dtype is decoded four lines at a time, once for all M, or multiplied as it lies for few M.
 *
 * Multiply-adds a second by those of a plain f32 dot product loop (0.91e9), measured in turns, V8 15.0, one thread:
 *
 *     M = 1   f32 1.34   f16 0.54   q4_1 [576 -> 1536] 0.75   q4_1 [1536 -> 576] 0.76   q8_0 [576 -> 49152] 0.67
 *     M = 32  f32 1.95   f16 1.83   q4_1 [576 -> 1536] 1.67   q4_1 [1536 -> 576] 1.77
 */
import type { PrimitiveKernels } from "../../../core/src/backend.ts";
import { isBlock, isFloat, isHalf } from "../../../core/src/dtype.ts";
import type { ScalarBuffer, ScalarOperand } from "../buffer.ts";
import type { Elements } from "../elements.ts";
import { toF32, viaF32 } from "../halves.ts";
import { Walk } from "../walk.ts";
import { multiplyF32 } from "./matmul_f32.ts";

/** The kernel. */
export const matmul: PrimitiveKernels<ScalarBuffer>["matmul"] = {
  layout: "strided",
  run([a, b], [out]): void {
    if (isHalf(out!.dtype)) viaF32(out!, (wide) => multiply(a, b, wide));
    else multiply(a, b, out!);
  },
};

function multiply(a: ScalarOperand, b: ScalarOperand, out: ScalarOperand): void {
  const batchDims = out.shape.length - 2;
  const f32 = out.dtype === "f32";
  const left = f32 ? withF32Rows(a, batchDims) : a;
  const right = f32 || !(isHalf(b.dtype) || isBlock(b.dtype)) ? b : toF32(b);
  const one = f32 ? multiplyF32 : multiplyPlain;
  const walk = new Walk(
    out.shape.slice(0, batchDims),
    [left.strides, right.strides, out.strides],
    [left.offset, right.offset, out.offset],
  );
  do one(left, walk.at[0]!, right, walk.at[1]!, out, walk.at[2]!); while (walk.next());
}

/** Rows of f32 without gaps: as they lie, else as a copy, in which batch dims may still repeat. */
function withF32Rows(a: ScalarOperand, batchDims: number): ScalarOperand {
  const k = batchDims + 1;
  const fine = a.dtype === "f32" && (a.strides[k] === 1 || a.shape[k] === 1);
  return fine ? a : toF32(a, batchDims);
}

function multiplyPlain(
  a: ScalarOperand,
  ia: number,
  b: ScalarOperand,
  ib: number,
  out: ScalarOperand,
  io: number,
): void {
  const [left, right, to] = [a.buffer.elements, b.buffer.elements, out.buffer.elements];
  const [m, k, n] = [a.shape.at(-2)!, a.shape.at(-1)!, b.shape.at(-1)!];
  const [am, ak, bk, bn] = [a.strides.at(-2)!, a.strides.at(-1)!, b.strides.at(-2)!, b.strides.at(-1)!];
  const float = isFloat(out.dtype);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++, io++) {
      const sum = float
        ? dotStrided(left, ia + i * am, ak, right, ib + j * bn, bk, k)
        : dotInts(left, ia + i * am, ak, right, ib + j * bn, bk, k);
      to[io] = out.dtype === "bool" ? Number(sum !== 0) : sum;
    }
  }
}

function dotStrided(a: Elements, ia: number, sa: number, b: Elements, ib: number, sb: number, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++, ia += sa, ib += sb) sum += a[ia]! * b[ib]!;
  return sum;
}

/** Products wrap to 32 bits, and their sum when it is stored. */
function dotInts(a: Elements, ia: number, sa: number, b: Elements, ib: number, sb: number, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++, ia += sa, ib += sb) sum += Math.imul(a[ia]!, b[ib]!);
  return sum;
}

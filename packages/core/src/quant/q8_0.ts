/**
 * q8_0: 32 elements in 34 bytes, 8.5 bits each; element = d * q.
 *
 *     byte  0  2         34
 *           d  qs[32]           d: f16, qs: i8
 *
 * Source: ggml-common.h block_q8_0, quantize_row_q8_0_ref.
 * dot: 0.73 of the multiply-adds a second of a plain f32 loop (V8 15.0, one thread, rows of 1536).
 * Two accumulators: with one it is bound by the latency of the add.
 */
import { type BlockFormat, readF16, readI8, writeF16 } from "./block.ts";
import { farthestFromZero, inverse } from "./rounding.ts";

function decode(source: Uint8Array, sourceOffset: number, out: Float32Array, outOffset: number, blocks: number): void {
  let from = sourceOffset;
  let to = outOffset;
  for (let b = 0; b < blocks; b++) {
    const d = readF16(source, from);
    from += 2;
    for (const end = from + 32; from < end; from++, to++) out[to] = d * readI8(source, from);
  }
}

function dot(source: Uint8Array, sourceOffset: number, x: Float32Array, xOffset: number, blocks: number): number {
  let from = sourceOffset;
  let at = xOffset;
  let sum = 0;
  for (let b = 0; b < blocks; b++) {
    const d = readF16(source, from);
    from += 2;
    let even = 0;
    let odd = 0;
    for (const end = from + 32; from < end; from += 2, at += 2) {
      even += readI8(source, from) * x[at]!;
      odd += readI8(source, from + 1) * x[at + 1]!;
    }
    sum += d * (even + odd);
  }
  return sum;
}

function encode(source: Float32Array, sourceOffset: number, out: Uint8Array, outOffset: number, blocks: number): void {
  for (let b = 0; b < blocks; b++) {
    const from = sourceOffset + b * 32;
    const to = outOffset + b * 34;
    const d = Math.fround(Math.abs(farthestFromZero(source, from, 32)) / 127);
    const scale = inverse(d);
    writeF16(out, to, d);
    for (let j = 0; j < 32; j++) out[to + 2 + j] = roundAwayFromZero(Math.fround(source[from + j]! * scale));
  }
}

/** The nearest integer, ties away from zero, as C's roundf; Math.round would take -2.5 to -2. */
function roundAwayFromZero(value: number): number {
  return Math.sign(value) * Math.round(Math.abs(value));
}

/** The layout of q8_0. */
export const Q8_0: BlockFormat = { dtype: "q8_0", decode, dot, encode };

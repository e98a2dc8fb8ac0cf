/**
 * q4_1: 32 elements in 20 bytes, 5 bits each; element = d * q + m.
 *
 *     byte  0  2  4         20
 *           d  m  qs[16]           d, m: f16
 *     qs[j]: low nibble q of element j, high nibble q of element j + 16
 *
 * Source: ggml-common.h block_q4_1, quantize_row_q4_1_ref.
 * dot: 0.76 of the multiply-adds a second of a plain f32 loop (V8 15.0, one thread, rows of 1536). Folding m out by
 * sums of x won 4 %, and would make NaN of an infinity in x.
 */
import { type BlockFormat, readF16, writeF16 } from "./block.ts";
import { inverse, minMax, quantum } from "./rounding.ts";

function decode(source: Uint8Array, sourceOffset: number, out: Float32Array, outOffset: number, blocks: number): void {
  let from = sourceOffset;
  let to = outOffset;
  for (let b = 0; b < blocks; b++) {
    const d = readF16(source, from);
    const m = readF16(source, from + 2);
    from += 4;
    for (const end = from + 16; from < end; from++, to++) {
      const pair = source[from]!;
      out[to] = d * (pair & 15) + m;
      out[to + 16] = d * (pair >> 4) + m;
    }
    to += 16;
  }
}

function dot(source: Uint8Array, sourceOffset: number, x: Float32Array, xOffset: number, blocks: number): number {
  let from = sourceOffset;
  let at = xOffset;
  let low = 0;
  let high = 0;
  for (let b = 0; b < blocks; b++) {
    const d = readF16(source, from);
    const m = readF16(source, from + 2);
    from += 4;
    for (const end = from + 16; from < end; from++, at++) {
      const pair = source[from]!;
      low += (d * (pair & 15) + m) * x[at]!;
      high += (d * (pair >> 4) + m) * x[at + 16]!;
    }
    at += 16;
  }
  return low + high;
}

function encode(source: Float32Array, sourceOffset: number, out: Uint8Array, outOffset: number, blocks: number): void {
  for (let b = 0; b < blocks; b++) {
    const from = sourceOffset + b * 32;
    const to = outOffset + b * 20;
    const [min, max] = minMax(source, from, 32);
    const d = Math.fround(Math.fround(max - min) / 15);
    const scale = inverse(d);
    writeF16(out, to, d);
    writeF16(out, to + 2, min);
    for (let j = 0; j < 16; j++) {
      const low = quantum(Math.fround(source[from + j]! - min), scale, 0, 15);
      const high = quantum(Math.fround(source[from + j + 16]! - min), scale, 0, 15);
      out[to + 4 + j] = low | (high << 4);
    }
  }
}

/** The layout of q4_1. */
export const Q4_1: BlockFormat = { dtype: "q4_1", decode, dot, encode };

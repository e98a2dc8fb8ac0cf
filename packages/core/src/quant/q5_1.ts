/**
 * q5_1: 32 elements in 24 bytes, 6 bits each; element = d * q + m.
 *
 *     byte  0  2  4   8         24
 *           d  m  qh  qs[16]           d, m: f16, qh: u32
 *     qs[j]: low nibble the lower bits of element j, high nibble those of element j + 16
 *     bit j of qh: the fifth bit of element j
 *
 * Source: ggml-common.h block_q5_1, quantize_row_q5_1_ref.
 * dot: 0.60 of the multiply-adds a second of a plain f32 loop (V8 15.0, one thread, rows of 1536).
 */
import { type BlockFormat, readF16, writeF16 } from "./block.ts";
import { readU32, writeFiveBits } from "./fifth_bits.ts";
import { inverse, minMax, quantum } from "./rounding.ts";

function decode(source: Uint8Array, sourceOffset: number, out: Float32Array, outOffset: number, blocks: number): void {
  let from = sourceOffset;
  let to = outOffset;
  for (let b = 0; b < blocks; b++) {
    const d = readF16(source, from);
    const m = readF16(source, from + 2);
    let fifths = readU32(source, from + 4);
    from += 8;
    for (const end = from + 16; from < end; from++, to++, fifths >>>= 1) {
      const pair = source[from]!;
      out[to] = d * ((pair & 15) + ((fifths & 1) << 4)) + m;
      out[to + 16] = d * ((pair >> 4) + ((fifths >> 12) & 16)) + m;
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
    let fifths = readU32(source, from + 4);
    from += 8;
    for (const end = from + 16; from < end; from++, at++, fifths >>>= 1) {
      const pair = source[from]!;
      low += (d * ((pair & 15) + ((fifths & 1) << 4)) + m) * x[at]!;
      high += (d * ((pair >> 4) + ((fifths >> 12) & 16)) + m) * x[at + 16]!;
    }
    at += 16;
  }
  return low + high;
}

function encode(source: Float32Array, sourceOffset: number, out: Uint8Array, outOffset: number, blocks: number): void {
  const q = new Uint8Array(32);
  for (let b = 0; b < blocks; b++) {
    const from = sourceOffset + b * 32;
    const to = outOffset + b * 24;
    const [min, max] = minMax(source, from, 32);
    const d = Math.fround(Math.fround(max - min) / 31);
    const scale = inverse(d);
    for (let j = 0; j < 32; j++) q[j] = quantum(Math.fround(source[from + j]! - min), scale, 0, 31);
    writeF16(out, to, d);
    writeF16(out, to + 2, min);
    writeFiveBits(out, to + 4, q);
  }
}

/** The layout of q5_1. */
export const Q5_1: BlockFormat = { dtype: "q5_1", decode, dot, encode };

/**
 * q5_0: 32 elements in 22 bytes, 5.5 bits each; element = d * (q - 16).
 *
 *     byte  0  2   6         22
 *           d  qh  qs[16]           d: f16, qh: u32
 *     qs[j]: low nibble the lower bits of element j, high nibble those of element j + 16
 *     bit j of qh: the fifth bit of element j
 *
 * Source: ggml-common.h block_q5_0, quantize_row_q5_0_ref.
 * dot: 0.63 of the multiply-adds a second of a plain f32 loop (V8 15.0, one thread, rows of 1536).
 */
import { type BlockFormat, readF16, writeF16 } from "./block.ts";
import { readU32, writeFiveBits } from "./fifth_bits.ts";
import { farthestFromZero, inverse, quantum } from "./rounding.ts";

function decode(source: Uint8Array, sourceOffset: number, out: Float32Array, outOffset: number, blocks: number): void {
  let from = sourceOffset;
  let to = outOffset;
  for (let b = 0; b < blocks; b++) {
    const d = readF16(source, from);
    let fifths = readU32(source, from + 2);
    from += 6;
    for (const end = from + 16; from < end; from++, to++, fifths >>>= 1) {
      const pair = source[from]!;
      out[to] = d * ((pair & 15) + ((fifths & 1) << 4) - 16);
      out[to + 16] = d * ((pair >> 4) + ((fifths >> 12) & 16) - 16);
    }
    to += 16;
  }
}

function dot(source: Uint8Array, sourceOffset: number, x: Float32Array, xOffset: number, blocks: number): number {
  let from = sourceOffset;
  let at = xOffset;
  let sum = 0;
  for (let b = 0; b < blocks; b++) {
    const d = readF16(source, from);
    let fifths = readU32(source, from + 2);
    from += 6;
    let low = 0;
    let high = 0;
    for (const end = from + 16; from < end; from++, at++, fifths >>>= 1) {
      const pair = source[from]!;
      low += ((pair & 15) + ((fifths & 1) << 4) - 16) * x[at]!;
      high += ((pair >> 4) + ((fifths >> 12) & 16) - 16) * x[at + 16]!;
    }
    sum += d * (low + high);
    at += 16;
  }
  return sum;
}

/** The element farthest from zero becomes q = 0, that is -16, as in q4_0. */
function encode(source: Float32Array, sourceOffset: number, out: Uint8Array, outOffset: number, blocks: number): void {
  const q = new Uint8Array(32);
  for (let b = 0; b < blocks; b++) {
    const from = sourceOffset + b * 32;
    const to = outOffset + b * 22;
    const d = Math.fround(farthestFromZero(source, from, 32) / -16);
    const scale = inverse(d);
    for (let j = 0; j < 32; j++) q[j] = quantum(source[from + j]!, scale, 16, 31);
    writeF16(out, to, d);
    writeFiveBits(out, to + 2, q);
  }
}

/** The layout of q5_0. */
export const Q5_0: BlockFormat = { dtype: "q5_0", decode, dot, encode };

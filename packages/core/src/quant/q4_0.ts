/**
 * q4_0: 32 elements in 18 bytes, 4.5 bits each; element = d * (q - 8).
 *
 *     byte  0  2         18
 *           d  qs[16]           d: f16
 *     qs[j]: low nibble q of element j, high nibble q of element j + 16
 *
 * Source: ggml-common.h block_q4_0, quantize_row_q4_0_ref.
 * dot: 0.79 of the multiply-adds a second of a plain f32 loop (V8 15.0, one thread, rows of 1536).
 */
import { type BlockFormat, readF16, writeF16 } from "./block.ts";
import { farthestFromZero, inverse, quantum } from "./rounding.ts";

function decode(source: Uint8Array, sourceOffset: number, out: Float32Array, outOffset: number, blocks: number): void {
  let from = sourceOffset;
  let to = outOffset;
  for (let b = 0; b < blocks; b++) {
    const d = readF16(source, from);
    from += 2;
    for (const end = from + 16; from < end; from++, to++) {
      const pair = source[from]!;
      out[to] = d * ((pair & 15) - 8);
      out[to + 16] = d * ((pair >> 4) - 8);
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
    from += 2;
    let low = 0;
    let high = 0;
    for (const end = from + 16; from < end; from++, at++) {
      const pair = source[from]!;
      low += ((pair & 15) - 8) * x[at]!;
      high += ((pair >> 4) - 8) * x[at + 16]!;
    }
    sum += d * (low + high);
    at += 16;
  }
  return sum;
}

/** The element farthest from zero becomes q = 0, that is -8: the end of the range that has one step more. */
function encode(source: Float32Array, sourceOffset: number, out: Uint8Array, outOffset: number, blocks: number): void {
  for (let b = 0; b < blocks; b++) {
    const from = sourceOffset + b * 32;
    const to = outOffset + b * 18;
    const d = Math.fround(farthestFromZero(source, from, 32) / -8);
    const scale = inverse(d);
    writeF16(out, to, d);
    for (let j = 0; j < 16; j++) {
      const low = quantum(source[from + j]!, scale, 8, 15);
      const high = quantum(source[from + j + 16]!, scale, 8, 15);
      out[to + 2 + j] = low | (high << 4);
    }
  }
}

/** The layout of q4_0. */
export const Q4_0: BlockFormat = { dtype: "q4_0", decode, dot, encode };

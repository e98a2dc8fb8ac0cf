/**
 * q6_k: 256 elements in 210 bytes, 6.6 bits each, in 16 groups of 16;
 * element = d * scale * (q - 32), with the scale of the element's group.
 *
 *     byte  0        128     192         208  210
 *           ql[128]  qh[64]  scales[16]  d          scales: i8, d: f16
 *     Each half of 128 elements, as four runs of 32, has 64 bytes of ql and 32 of qh:
 *     ql: the lower four bits of q; low nibbles runs 0 and 1, high nibbles runs 2 and 3
 *     qh: the upper two: bits 0-1 run 0, bits 2-3 run 1, bits 4-5 run 2, bits 6-7 run 3
 *
 * Source: ggml-common.h block_q6_K, dequantize_row_q6_K.
 * dot: 0.72 of the multiply-adds a second of a plain f32 loop (V8 15.0, one thread, rows of 1536).
 */
import { type BlockFormat, readF16, readI8 } from "./block.ts";

const BLOCK_BYTES = 210;
const QH = 128;
const SCALES = 192;
const SCALE_OF_SCALES = 208;

function decode(source: Uint8Array, sourceOffset: number, out: Float32Array, outOffset: number, blocks: number): void {
  for (let b = 0; b < blocks; b++) {
    const block = sourceOffset + b * BLOCK_BYTES;
    const d = readF16(source, block + SCALE_OF_SCALES);
    for (let g = 0; g < 16; g++) {
      const half = g >> 3;
      const run = (g >> 1) & 3;
      const start = (g & 1) * 16; // of the group, within its run
      const lower = block + half * 64 + (run & 1) * 32 + start;
      const upper = block + QH + half * 32 + start;
      const scale = d * readI8(source, block + SCALES + g);
      const to = outOffset + b * 256 + g * 16;
      for (let j = 0; j < 16; j++) {
        const q = ((source[lower + j]! >> ((run >> 1) * 4)) & 15) | (((source[upper + j]! >> (run * 2)) & 3) << 4);
        out[to + j] = scale * (q - 32);
      }
    }
  }
}

function dot(source: Uint8Array, sourceOffset: number, x: Float32Array, xOffset: number, blocks: number): number {
  let sum = 0;
  for (let b = 0; b < blocks; b++) {
    const block = sourceOffset + b * BLOCK_BYTES;
    const at = xOffset + b * 256;
    let blockSum = 0;
    for (let quarter = 0; quarter < 4; quarter++) {
      const half = quarter >> 1;
      const start = (quarter & 1) * 16;
      blockSum += dotOfFourGroups(
        source,
        block + half * 64 + start,
        block + QH + half * 32 + start,
        block + SCALES + half * 8 + (quarter & 1),
        x,
        at + half * 128 + start,
      );
    }
    sum += readF16(source, block + SCALE_OF_SCALES) * blockSum;
  }
  return sum;
}

/** The groups that share 16 bytes of qh: one in each run of a half. */
function dotOfFourGroups(
  source: Uint8Array,
  lower: number,
  upper: number,
  scales: number,
  x: Float32Array,
  at: number,
): number {
  let run0 = 0;
  let run1 = 0;
  let run2 = 0;
  let run3 = 0;
  for (let j = 0; j < 16; j++) {
    const low = source[lower + j]!;
    const high = source[lower + j + 32]!;
    const upperBits = source[upper + j]!;
    run0 += (((low & 15) | ((upperBits & 3) << 4)) - 32) * x[at + j]!;
    run1 += (((high & 15) | ((upperBits & 12) << 2)) - 32) * x[at + j + 32]!;
    run2 += (((low >> 4) | (upperBits & 48)) - 32) * x[at + j + 64]!;
    run3 += (((high >> 4) | ((upperBits & 192) >> 2)) - 32) * x[at + j + 96]!;
  }
  return readI8(source, scales) * run0 + readI8(source, scales + 2) * run1 +
    readI8(source, scales + 4) * run2 + readI8(source, scales + 6) * run3;
}

/** The layout of q6_k. */
export const Q6_K: BlockFormat = { dtype: "q6_k", decode, dot };

/**
 * q4_k: 256 elements in 144 bytes, 4.5 bits each, in 8 groups of 32;
 * element = (d * scale) * q - (dmin * min), with scale and min of the element's group.
 *
 *     byte  0  2     4           16       144
 *           d  dmin  scales[12]  qs[128]       d, dmin: f16, scales: see k_scales.ts
 *     qs: each 32 bytes hold two groups: the low nibbles one, the high nibbles the next
 *
 * Source: ggml-common.h block_q4_K, dequantize_row_q4_K.
 * dot: 0.83 of the multiply-adds a second of a plain f32 loop (V8 15.0, one thread, rows of 1536).
 */
import { type BlockFormat, readF16 } from "./block.ts";
import { groupMin, groupScale } from "./k_scales.ts";

const BLOCK_BYTES = 144;
const SCALES = 4;
const QS = 16;

function decode(source: Uint8Array, sourceOffset: number, out: Float32Array, outOffset: number, blocks: number): void {
  for (let b = 0; b < blocks; b++) {
    const block = sourceOffset + b * BLOCK_BYTES;
    const d = readF16(source, block);
    const dmin = readF16(source, block + 2);
    for (let g = 0; g < 8; g++) {
      const scale = d * groupScale(source, block + SCALES, g);
      const min = dmin * groupMin(source, block + SCALES, g);
      const from = block + QS + (g >> 1) * 32;
      const shift = (g & 1) * 4;
      const to = outOffset + b * 256 + g * 32;
      for (let j = 0; j < 32; j++) out[to + j] = scale * ((source[from + j]! >> shift) & 15) - min;
    }
  }
}

function dot(source: Uint8Array, sourceOffset: number, x: Float32Array, xOffset: number, blocks: number): number {
  let low = 0;
  let high = 0;
  let at = xOffset;
  for (let b = 0; b < blocks; b++) {
    const block = sourceOffset + b * BLOCK_BYTES;
    const d = readF16(source, block);
    const dmin = readF16(source, block + 2);
    let from = block + QS;
    for (let g = 0; g < 8; g += 2) {
      const lowScale = d * groupScale(source, block + SCALES, g);
      const lowMin = dmin * groupMin(source, block + SCALES, g);
      const highScale = d * groupScale(source, block + SCALES, g + 1);
      const highMin = dmin * groupMin(source, block + SCALES, g + 1);
      for (const end = from + 32; from < end; from++, at++) {
        const pair = source[from]!;
        low += (lowScale * (pair & 15) - lowMin) * x[at]!;
        high += (highScale * (pair >> 4) - highMin) * x[at + 32]!;
      }
      at += 32;
    }
  }
  return low + high;
}

/** The layout of q4_k. */
export const Q4_K: BlockFormat = { dtype: "q4_k", decode, dot };

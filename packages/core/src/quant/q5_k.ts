/**
 * q5_k: 256 elements in 176 bytes, 5.5 bits each, in 8 groups of 32;
 * element = (d * scale) * q - (dmin * min), with scale and min of the element's group.
 *
 *     byte  0  2     4           16      48       176
 *           d  dmin  scales[12]  qh[32]  qs[128]       d, dmin: f16, scales: see k_scales.ts
 *     qs: the lower four bits of q; each 32 bytes hold two groups: the low nibbles one, the high nibbles the next
 *     qh: the fifth bit of q: bit g of qh[j] belongs to element j of group g
 *
 * Source: ggml-common.h block_q5_K, dequantize_row_q5_K.
 * dot: 0.62 of the multiply-adds a second of a plain f32 loop (V8 15.0, one thread, rows of 1536).
 */
import { type BlockFormat, readF16 } from "./block.ts";
import { groupMin, groupScale } from "./k_scales.ts";

const BLOCK_BYTES = 176;
const SCALES = 4;
const QH = 16;
const QS = 48;

function decode(source: Uint8Array, sourceOffset: number, out: Float32Array, outOffset: number, blocks: number): void {
  for (let b = 0; b < blocks; b++) {
    const block = sourceOffset + b * BLOCK_BYTES;
    const d = readF16(source, block);
    const dmin = readF16(source, block + 2);
    for (let g = 0; g < 8; g++) {
      const scale = d * groupScale(source, block + SCALES, g);
      const min = dmin * groupMin(source, block + SCALES, g);
      const from = block + QS + (g >> 1) * 32;
      const fifth = block + QH;
      const shift = (g & 1) * 4;
      const to = outOffset + b * 256 + g * 32;
      for (let j = 0; j < 32; j++) {
        const q = ((source[from + j]! >> shift) & 15) | (((source[fifth + j]! >> g) & 1) << 4);
        out[to + j] = scale * q - min;
      }
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
      let fifth = block + QH;
      for (const end = from + 32; from < end; from++, fifth++, at++) {
        const pair = source[from]!;
        const fifths = source[fifth]! >> g;
        low += (lowScale * ((pair & 15) + ((fifths & 1) << 4)) - lowMin) * x[at]!;
        high += (highScale * ((pair >> 4) + ((fifths & 2) << 3)) - highMin) * x[at + 32]!;
      }
      at += 32;
    }
  }
  return low + high;
}

/** The layout of q5_k. */
export const Q5_K: BlockFormat = { dtype: "q5_k", decode, dot };

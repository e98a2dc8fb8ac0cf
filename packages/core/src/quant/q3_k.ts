/**
 * q3_k: 256 elements in 110 bytes, 3.4 bits each, in 16 groups of 16;
 * element = d * (scale - 32) * (q - 4), with the scale of the element's group.
 *
 *     byte  0          32      96          108  110
 *           hmask[32]  qs[64]  scales[12]  d          d: f16
 *     qs:     the lower two bits of q; each 32 bytes hold 128 elements: bits 0-1 the first 32, 2-3 the next, ...
 *     hmask:  the third bit of q: bit k of hmask[j] belongs to element 32 * k + j
 *     scales: the lower four bits of group g in a nibble of scales[g % 8], low for g < 8;
 *             the upper two in scales[8 + g % 4], at bit 2 * floor(g / 4)
 *
 * Source: ggml-common.h block_q3_K, dequantize_row_q3_K.
 */
import { type BlockFormat, dotByDecoding, readF16 } from "./block.ts";

const BLOCK_BYTES = 110;
const QS = 32;
const SCALES = 96;
const SCALE_OF_SCALES = 108;

function decode(source: Uint8Array, sourceOffset: number, out: Float32Array, outOffset: number, blocks: number): void {
  for (let b = 0; b < blocks; b++) {
    const block = sourceOffset + b * BLOCK_BYTES;
    const d = readF16(source, block + SCALE_OF_SCALES);
    for (let g = 0; g < 16; g++) {
      const scale = d * (groupScale(source, block + SCALES, g) - 32);
      const half = (g & 1) * 16; // a byte's bit or pair of bits serves 32 elements: two groups
      const third = block + half;
      const lower = block + QS + (g >> 3) * 32 + half;
      const to = outOffset + b * 256 + g * 16;
      for (let j = 0; j < 16; j++) {
        const q = ((source[lower + j]! >> (g & 6)) & 3) | (((source[third + j]! >> (g >> 1)) & 1) << 2);
        out[to + j] = scale * (q - 4);
      }
    }
  }
}

function groupScale(source: Uint8Array, scales: number, g: number): number {
  const lower = (source[scales + (g & 7)]! >> (g < 8 ? 0 : 4)) & 15;
  const upper = (source[scales + 8 + (g & 3)]! >> (2 * (g >> 2))) & 3;
  return lower | (upper << 4);
}

/** The layout of q3_k. */
export const Q3_K: BlockFormat = { dtype: "q3_k", decode, dot: dotByDecoding("q3_k", decode) };

/**
 * q2_k: 256 elements in 84 bytes, 2.6 bits each, in 16 groups of 16;
 * element = (d * scale) * q - (dmin * min), with scale and min of the element's group.
 *
 *     byte  0           16       80  82    84
 *           scales[16]  qs[64]   d   dmin       d, dmin: f16
 *     scales[g]: low nibble the scale of group g, high nibble its min
 *     qs: each 32 bytes hold 128 elements, two bits a byte: bits 0-1 the first 32 elements, 2-3 the next, ...
 *
 * Source: ggml-common.h block_q2_K, dequantize_row_q2_K.
 */
import { type BlockFormat, dotByDecoding, readF16 } from "./block.ts";

const BLOCK_BYTES = 84;
const QS = 16;
const SCALE_OF_SCALES = 80;

function decode(source: Uint8Array, sourceOffset: number, out: Float32Array, outOffset: number, blocks: number): void {
  for (let b = 0; b < blocks; b++) {
    const block = sourceOffset + b * BLOCK_BYTES;
    const d = readF16(source, block + SCALE_OF_SCALES);
    const dmin = readF16(source, block + SCALE_OF_SCALES + 2);
    for (let g = 0; g < 16; g++) {
      const scale = d * (source[block + g]! & 15);
      const min = dmin * (source[block + g]! >> 4);
      const from = block + QS + (g >> 3) * 32 + (g & 1) * 16;
      const shift = g & 6; // two bits for each pair of groups
      const to = outOffset + b * 256 + g * 16;
      for (let j = 0; j < 16; j++) out[to + j] = scale * ((source[from + j]! >> shift) & 3) - min;
    }
  }
}

/** The layout of q2_k. */
export const Q2_K: BlockFormat = { dtype: "q2_k", decode, dot: dotByDecoding("q2_k", decode) };

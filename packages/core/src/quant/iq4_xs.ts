/**
 * iq4_xs: 256 elements in 136 bytes, 4.25 bits each, in 8 groups of 32;
 * element = d * (scale - 32) * LEVELS[q], with the scale of the element's group and iq4_nl's levels.
 *
 *     byte  0  2         4            8        136
 *           d  scales_h  scales_l[4]  qs[128]       d: f16, scales_h: u16
 *     scales_l: the lower four bits of the scale of group g in a nibble of scales_l[g / 2], low for even g
 *     scales_h: the upper two, at bit 2 * g
 *     qs: 16 bytes a group; low nibbles its first 16 elements, high nibbles the rest
 *
 * Source: ggml-common.h block_iq4_xs, dequantize_row_iq4_xs.
 */
import { type BlockFormat, dotByDecoding, readF16 } from "./block.ts";
import { LEVELS } from "./iq4_nl.ts";

const BLOCK_BYTES = 136;
const SCALES_H = 2;
const SCALES_L = 4;
const QS = 8;

function decode(source: Uint8Array, sourceOffset: number, out: Float32Array, outOffset: number, blocks: number): void {
  for (let b = 0; b < blocks; b++) {
    const block = sourceOffset + b * BLOCK_BYTES;
    const d = readF16(source, block);
    for (let g = 0; g < 8; g++) {
      const scale = d * (groupScale(source, block, g) - 32);
      const from = block + QS + g * 16;
      const to = outOffset + b * 256 + g * 32;
      for (let j = 0; j < 16; j++) {
        const pair = source[from + j]!;
        out[to + j] = scale * LEVELS[pair & 15]!;
        out[to + j + 16] = scale * LEVELS[pair >> 4]!;
      }
    }
  }
}

function groupScale(source: Uint8Array, block: number, g: number): number {
  const lower = (source[block + SCALES_L + (g >> 1)]! >> (4 * (g & 1))) & 15;
  const upper = (source[block + SCALES_H + (g >> 2)]! >> (2 * (g & 3))) & 3;
  return lower | (upper << 4);
}

/** The layout of iq4_xs. */
export const IQ4_XS: BlockFormat = { dtype: "iq4_xs", decode, dot: dotByDecoding("iq4_xs", decode) };

/**
 * iq4_nl: 32 elements in 18 bytes, 4.5 bits each; element = d * LEVELS[q]: sixteen levels, closer
 * together near zero, where most weights lie.
 *
 *     byte  0  2         18
 *           d  qs[16]           d: f16
 *     qs[j]: low nibble q of element j, high nibble q of element j + 16
 *
 * Source: ggml-common.h block_iq4_nl, kvalues_iq4nl.
 */
import { type BlockFormat, dotByDecoding, readF16 } from "./block.ts";

/** What the sixteen values of q stand for, in iq4_nl and iq4_xs. */
export const LEVELS: Readonly<Int8Array> = Int8Array.of(
  ...[-127, -104, -83, -65, -49, -35, -22, -10],
  ...[1, 13, 25, 38, 53, 69, 89, 113],
);

function decode(source: Uint8Array, sourceOffset: number, out: Float32Array, outOffset: number, blocks: number): void {
  let from = sourceOffset;
  let to = outOffset;
  for (let b = 0; b < blocks; b++) {
    const d = readF16(source, from);
    from += 2;
    for (const end = from + 16; from < end; from++, to++) {
      const pair = source[from]!;
      out[to] = d * LEVELS[pair & 15]!;
      out[to + 16] = d * LEVELS[pair >> 4]!;
    }
    to += 16;
  }
}

/** The layout of iq4_nl. */
export const IQ4_NL: BlockFormat = { dtype: "iq4_nl", decode, dot: dotByDecoding("iq4_nl", decode) };

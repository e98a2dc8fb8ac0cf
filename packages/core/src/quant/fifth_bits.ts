/**
 * The fifth bits of q5_0 and q5_1, which both keep apart from the nibbles:
 *
 *     byte  0   4         20
 *           qh  qs[16]           qh: u32
 */

/** The u32 at a byte offset, as an i32 with the same bits. */
export function readU32(source: Uint8Array, offset: number): number {
  return source[offset]! | (source[offset + 1]! << 8) | (source[offset + 2]! << 16) | (source[offset + 3]! << 24);
}

/** Writes 32 integers of five bits as qh and qs. */
export function writeFiveBits(out: Uint8Array, offset: number, q: Uint8Array): void {
  let fifths = 0;
  for (let j = 0; j < 32; j++) fifths |= (q[j]! >> 4) << j;
  for (let k = 0; k < 4; k++) out[offset + k] = fifths >>> (8 * k);
  for (let j = 0; j < 16; j++) out[offset + 4 + j] = (q[j]! & 15) | (q[j + 16]! << 4);
}

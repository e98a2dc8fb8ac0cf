/**
 * The packed scales of q4_k and q5_k: eight groups, a scale and a min of six bits for each, in 12 bytes.
 *
 *     byte 0..3   scale of group 0..3 in bits 0-5; bits 6-7: the upper two of the scale of group 4..7
 *     byte 4..7   min   of group 0..3 in bits 0-5; bits 6-7: the upper two of the min   of group 4..7
 *     byte 8..11  groups 4..7: low nibble the lower four of the scale, high nibble those of the min
 *
 * Source: get_scale_min_k4 in ggml-quants.c.
 */

/** The scale of group `g`, 0 to 63; `scales` is the byte offset of the twelve. */
export function groupScale(source: Uint8Array, scales: number, g: number): number {
  if (g < 4) return source[scales + g]! & 63;
  return (source[scales + 4 + g]! & 15) | ((source[scales + g - 4]! >> 6) << 4);
}

/** The min of group `g`, 0 to 63; `scales` is the byte offset of the twelve. */
export function groupMin(source: Uint8Array, scales: number, g: number): number {
  if (g < 4) return source[scales + 4 + g]! & 63;
  return (source[scales + 4 + g]! >> 4) | ((source[scales + g]! >> 6) << 4);
}

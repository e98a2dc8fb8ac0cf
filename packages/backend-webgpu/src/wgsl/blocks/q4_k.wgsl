// q4_k: 256 elements in 144 bytes; element = (d * scale) * q - (dmin * min). See core/src/quant/q4_k.ts.

const BODY = 36u;
const ZERO = 0u;

fn block_scale(i: u32) -> vec2f {
  return group_scale(i);
}

fn block_bytes(i: u32) -> u32 {
  let j = i & 255u;
  let word = body(i >> 8u, 4u + (j >> 6u) * 8u + ((j & 31u) >> 2u));
  return (word >> ((j >> 3u) & 4u)) & 0x0f0f0f0fu;
}

// q5_k: 256 elements in 176 bytes; element = (d * scale) * q - (dmin * min). See core/src/quant/q5_k.ts.

const BODY = 44u;
const ZERO = 0u;

fn block_scale(i: u32) -> vec2f {
  return group_scale(i);
}

fn block_bytes(i: u32) -> u32 {
  let j = i & 255u;
  let word = (j & 31u) >> 2u;
  let low = (body(i >> 8u, 12u + (j >> 6u) * 8u + word) >> ((j >> 3u) & 4u)) & 0x0f0f0f0fu;
  let fifth = (body(i >> 8u, 4u + word) >> (j >> 5u)) & 0x01010101u;
  return low | (fifth << 4u);
}

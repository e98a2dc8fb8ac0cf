// q5_1: 32 elements in 24 bytes, the fifth bits apart; element = d * q + m. See core/src/quant/q5_1.ts.

const BODY = 6u;
const ZERO = 0u;

fn block_scale(i: u32) -> vec2f {
  return halves_of(body(i >> 5u, 0u));
}

fn block_bytes(i: u32) -> u32 {
  let low = (body(i >> 5u, 2u + ((i >> 2u) & 3u)) >> ((i >> 2u) & 4u)) & 0x0f0f0f0fu;
  return low | fifth_bits(body(i >> 5u, 1u), i & 31u);
}

// q5_0: 32 elements in 22 bytes, the fifth bits apart; element = d * (q - 16). See core/src/quant/q5_0.ts.

const BODY = 5u;
const HEAD_FIRST = true;
const ZERO = 16u;

fn block_scale(i: u32) -> vec2f {
  return vec2f(head(i >> 5u), 0.0);
}

fn block_bytes(i: u32) -> u32 {
  let low = (body(i >> 5u, 1u + ((i >> 2u) & 3u)) >> ((i >> 2u) & 4u)) & 0x0f0f0f0fu;
  return low | fifth_bits(body(i >> 5u, 0u), i & 31u);
}

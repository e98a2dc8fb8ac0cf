// q4_0: 32 elements in 18 bytes; element = d * (q - 8). See core/src/quant/q4_0.ts.

const BODY = 4u;
const HEAD_FIRST = true;
const ZERO = 8u;

fn block_scale(i: u32) -> vec2f {
  return vec2f(head(i >> 5u), 0.0);
}

fn block_bytes(i: u32) -> u32 {
  let word = body(i >> 5u, (i >> 2u) & 3u);
  return (word >> ((i >> 2u) & 4u)) & 0x0f0f0f0fu;
}

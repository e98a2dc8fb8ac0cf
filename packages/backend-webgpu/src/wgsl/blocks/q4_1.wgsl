// q4_1: 32 elements in 20 bytes; element = d * q + m. See core/src/quant/q4_1.ts.

const BODY = 5u;
const ZERO = 0u;

fn block_scale(i: u32) -> vec2f {
  return halves_of(body(i >> 5u, 0u));
}

fn block_bytes(i: u32) -> u32 {
  let word = body(i >> 5u, 1u + ((i >> 2u) & 3u));
  return (word >> ((i >> 2u) & 4u)) & 0x0f0f0f0fu;
}

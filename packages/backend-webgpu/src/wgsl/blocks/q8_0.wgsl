// q8_0: 32 elements in 34 bytes; element = d * q. See core/src/quant/q8_0.ts.

const BODY = 8u;
const HEAD_FIRST = true;

fn block_scale(i: u32) -> vec2f {
  return vec2f(head(i >> 5u), 0.0);
}

fn block_bytes(i: u32) -> u32 {
  return body(i >> 5u, (i >> 2u) & 7u);
}

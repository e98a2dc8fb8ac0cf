// iq4_nl: 32 elements in 18 bytes; element = d * level(q). See core/src/quant/iq4_nl.ts.

const BODY = 4u;
const HEAD_FIRST = true;

fn block_scale(i: u32) -> vec2f {
  return vec2f(head(i >> 5u), 0.0);
}

fn block_bytes(i: u32) -> u32 {
  return body(i >> 5u, (i >> 2u) & 3u) >> ((i >> 2u) & 4u);
}

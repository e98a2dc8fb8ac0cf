// q4_0: 32 elements in 18 bytes; element = d * (q - 8). See core/src/quant/q4_0.ts.

const BODY = 4u;
const HEAD_FIRST = true;

fn block_scale(i: u32) -> vec2f {
  return vec2f(head(i >> 5u), 0.0);
}

fn block_quad(i: u32) -> vec4f {
  let word = body(i >> 5u, (i >> 2u) & 3u);
  return bytes_of((word >> ((i >> 2u) & 4u)) & 0x0f0f0f0fu) - 8.0;
}

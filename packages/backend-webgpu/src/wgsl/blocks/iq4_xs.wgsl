// iq4_xs: 256 elements in 136 bytes; element = d * (scale - 32) * level(q). See core/src/quant/iq4_xs.ts.

const BODY = 34u;

fn block_scale(i: u32) -> vec2f {
  let group = (i & 255u) >> 5u;
  let first = body(i >> 8u, 0u);
  let low = (body(i >> 8u, 1u) >> (4u * group)) & 15u;
  let high = (first >> (16u + 2u * group)) & 3u;
  return vec2f(halves_of(first).x * (f32(low | (high << 4u)) - 32.0), 0.0);
}

fn block_bytes(i: u32) -> u32 {
  let j = i & 255u;
  return body(i >> 8u, 2u + (j >> 5u) * 4u + ((j & 15u) >> 2u)) >> ((j >> 2u) & 4u);
}

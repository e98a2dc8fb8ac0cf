// q2_k: 256 elements in 84 bytes; element = (d * scale) * q - (dmin * min). See core/src/quant/q2_k.ts.

const BODY = 21u;
const ZERO = 0u;

fn block_scale(i: u32) -> vec2f {
  let group = (i & 255u) >> 4u;
  let scales = byte_of(body(i >> 8u, group >> 2u), group);
  return halves_of(body(i >> 8u, 20u)) * vec2f(f32(scales & 15u), -f32(scales >> 4u));
}

fn block_bytes(i: u32) -> u32 {
  let j = i & 255u;
  let word = body(i >> 8u, 4u + (j >> 7u) * 8u + ((j & 31u) >> 2u));
  return (word >> ((j >> 4u) & 6u)) & 0x03030303u;
}

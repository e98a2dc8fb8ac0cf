// q3_k: 256 elements in 110 bytes; element = d * (scale - 32) * (q - 4). See core/src/quant/q3_k.ts.

const BODY = 27u;
const HEAD_FIRST = false;
const ZERO = 4u;

fn block_scale(i: u32) -> vec2f {
  let group = (i & 255u) >> 4u;
  let low = (byte_of(body(i >> 8u, 24u + ((group & 7u) >> 2u)), group) >> ((group >> 3u) * 4u)) & 15u;
  let high = (byte_of(body(i >> 8u, 26u), group) >> (2u * (group >> 2u))) & 3u;
  return vec2f(head(i >> 8u) * (f32(low | (high << 4u)) - 32.0), 0.0);
}

fn block_bytes(i: u32) -> u32 {
  let j = i & 255u;
  let word = (j & 31u) >> 2u;
  let low = (body(i >> 8u, 8u + (j >> 7u) * 8u + word) >> ((j >> 4u) & 6u)) & 0x03030303u;
  let third = (body(i >> 8u, word) >> (j >> 5u)) & 0x01010101u;
  return low | (third << 2u);
}

// iq4_xs: 256 elements in 136 bytes; element = d * (scale - 32) * level(q). See core/src/quant/iq4_xs.ts.

fn block_element(i: u32) -> f32 {
  let block = (i >> 8u) * 136u;
  let group = (i & 255u) >> 5u;
  let j = i & 31u;
  let low = (byte_at(block + 4u + (group >> 1u)) >> ((group & 1u) * 4u)) & 15u;
  let high = (byte_at(block + 2u + (group >> 2u)) >> (2u * (group & 3u))) & 3u;
  let scale = f32(low | (high << 4u)) - 32.0;
  let q = (byte_at(block + 8u + group * 16u + (j & 15u)) >> ((j >> 4u) * 4u)) & 15u;
  return half_at(block) * scale * level(q);
}

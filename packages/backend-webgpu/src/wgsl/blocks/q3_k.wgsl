// q3_k: 256 elements in 110 bytes; element = d * (scale - 32) * (q - 4). See core/src/quant/q3_k.ts.

fn block_element(i: u32) -> f32 {
  let block = (i >> 8u) * 110u;
  let j = i & 255u;
  let group = j >> 4u;
  let low_scale = (byte_at(block + 96u + (group & 7u)) >> ((group >> 3u) * 4u)) & 15u;
  let high_scale = (byte_at(block + 104u + (group & 3u)) >> (2u * (group >> 2u))) & 3u;
  let scale = f32(low_scale | (high_scale << 4u)) - 32.0;
  let low = (byte_at(block + 32u + (j >> 7u) * 32u + (j & 31u)) >> (group & 6u)) & 3u;
  let third = (byte_at(block + (j & 31u)) >> (j >> 5u)) & 1u;
  return half_at(block + 108u) * scale * (f32(low | (third << 2u)) - 4.0);
}

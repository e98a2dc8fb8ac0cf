// q2_k: 256 elements in 84 bytes; element = (d * scale) * q - (dmin * min). See core/src/quant/q2_k.ts.

fn block_element(i: u32) -> f32 {
  let block = (i >> 8u) * 84u;
  let j = i & 255u;
  let group = j >> 4u;
  let scales = byte_at(block + group);
  let byte = byte_at(block + 16u + (j >> 7u) * 32u + (j & 31u));
  let q = (byte >> (group & 6u)) & 3u;
  return half_at(block + 80u) * f32(scales & 15u) * f32(q) - half_at(block + 82u) * f32(scales >> 4u);
}

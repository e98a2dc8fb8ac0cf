// q4_k: 256 elements in 144 bytes; element = (d * scale) * q - (dmin * min). See core/src/quant/q4_k.ts.

fn block_element(i: u32) -> f32 {
  let block = (i >> 8u) * 144u;
  let j = i & 255u;
  let group = j >> 5u;
  let q = (byte_at(block + 16u + (group >> 1u) * 32u + (j & 31u)) >> ((group & 1u) * 4u)) & 15u;
  let scale = half_at(block) * group_scale(block + 4u, group);
  return scale * f32(q) - half_at(block + 2u) * group_min(block + 4u, group);
}

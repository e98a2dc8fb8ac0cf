// q5_k: 256 elements in 176 bytes; element = (d * scale) * q - (dmin * min). See core/src/quant/q5_k.ts.

fn block_element(i: u32) -> f32 {
  let block = (i >> 8u) * 176u;
  let j = i & 255u;
  let group = j >> 5u;
  let low = (byte_at(block + 48u + (group >> 1u) * 32u + (j & 31u)) >> ((group & 1u) * 4u)) & 15u;
  let fifth = (byte_at(block + 16u + (j & 31u)) >> group) & 1u;
  let scale = half_at(block) * group_scale(block + 4u, group);
  return scale * f32(low | (fifth << 4u)) - half_at(block + 2u) * group_min(block + 4u, group);
}

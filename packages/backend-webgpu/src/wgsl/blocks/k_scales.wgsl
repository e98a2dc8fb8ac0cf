// The packed scales of q4_k and q5_k, six bits each. See core/src/quant/k_scales.ts.

fn group_scale(scales: u32, g: u32) -> f32 {
  if (g < 4u) { return f32(byte_at(scales + g) & 63u); }
  return f32((byte_at(scales + 4u + g) & 15u) | ((byte_at(scales + g - 4u) >> 6u) << 4u));
}

fn group_min(scales: u32, g: u32) -> f32 {
  if (g < 4u) { return f32(byte_at(scales + 4u + g) & 63u); }
  return f32((byte_at(scales + 4u + g) >> 4u) | ((byte_at(scales + g) >> 6u) << 4u));
}

// The packed scales of q4_k and q5_k, six bits each, in words 1 to 3. See core/src/quant/k_scales.ts.

fn group_scale(i: u32) -> vec2f {
  let block = i >> 8u;
  let g = (i & 255u) >> 5u;
  let low = byte_of(body(block, 1u + (g >> 2u) * 2u), g);
  let first = byte_of(body(block, 1u), g) >> 6u;
  let second = byte_of(body(block, 2u), g);
  let scale = select((low & 15u) | (first << 4u), low & 63u, g < 4u);
  let low_of_min = select(low >> 4u, second & 63u, g < 4u);
  let min = select(low_of_min | ((second >> 6u) << 4u), low_of_min, g < 4u);
  return halves_of(body(block, 0u)) * vec2f(f32(scale), -f32(min));
}

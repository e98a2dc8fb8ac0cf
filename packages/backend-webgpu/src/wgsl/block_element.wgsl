// Elements i to i + 3 of a buffer of blocks, i a multiple of 4; and element i.

fn quad(i: u32) -> vec4f {
  let scale = block_scale(i);
  return scale.x * block_quad(i) + scale.y;
}

fn element(i: u32) -> f32 {
  let scale = block_scale(i);
  return scale.x * block_quad(i & 0xfffffffcu)[i & 3u] + scale.y;
}

fn element_bits(i: u32) -> u32 {
  return bitcast<u32>(element(i));
}

fn element(i: u32) -> f32 {
  return block_element(i);
}

fn element_bits(i: u32) -> u32 {
  return bitcast<u32>(block_element(i));
}

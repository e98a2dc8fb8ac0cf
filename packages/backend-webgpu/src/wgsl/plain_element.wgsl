// Element i as a number, and as its own bits.

fn element_bits(i: u32) -> u32 {
  return bits_in(word_at(word_of(i, X)), i, X);
}

fn element(i: u32) -> f32 {
  return number(element_bits(i), X);
}

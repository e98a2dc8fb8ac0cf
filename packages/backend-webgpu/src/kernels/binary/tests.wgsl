// Comparisons and logic, on integers in the order of the numbers: so NaN and the smallest numbers count on any device.

@group(0) @binding(2) var<storage, read> a_words: array<u32>;
@group(0) @binding(3) var<storage, read> b_words: array<u32>;

fn order(bits: u32) -> u32 {
  if (is_float(X)) { return float_order(widen_bits(bits, X)); }
  return int_order(bits);
}

fn produce(i: u32, at: vec4u) -> u32 {
  let x = order(bits_in(a_words[word_of(at.y, X)], at.y, X));
  let y = order(bits_in(b_words[word_of(at.z, X)], at.z, X));
  let number = !is_float(X) || (x != 0xffffffffu && y != 0xffffffffu);
  return u32(test(x, y, 0x80000000u, number));
}

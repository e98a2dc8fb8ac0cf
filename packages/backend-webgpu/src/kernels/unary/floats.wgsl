// A function of a float, computed in f32. Truth values are 0 or 1 and stored as integers.

@group(0) @binding(2) var<storage, read> x_words: array<u32>;

fn produce(i: u32, at: vec4u) -> u32 {
  let x = widen(bits_in(x_words[word_of(at.y, X)], at.y, X), X);
  var y = 0.0;
  if (is_nan(x)) { y = apply_to_nan(); } else { y = apply(x); }
  if (OUT == BOOL) { return u32(y); }
  return narrow(y, OUT);
}

// A function of two floats of one dtype, computed in f32.

@group(0) @binding(2) var<storage, read> a_words: array<u32>;
@group(0) @binding(3) var<storage, read> b_words: array<u32>;

fn produce(i: u32, at: vec4u) -> u32 {
  let a = widen(bits_in(a_words[word_of(at.y, X)], at.y, X), X);
  let b = widen(bits_in(b_words[word_of(at.z, X)], at.z, X), X);
  return narrow(apply(a, b), OUT);
}

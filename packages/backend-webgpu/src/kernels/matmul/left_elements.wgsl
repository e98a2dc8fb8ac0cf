// The left operand, an element at a time.

@group(0) @binding(2) var<storage, read> a_words: array<u32>;

fn left(i: u32) -> f32 {
  return widen(bits_in(a_words[word_of(i, LEFT)], i, LEFT), LEFT);
}

// The right operand as words: its elements, or blocks, are read by `element` and `quad`.

@group(0) @binding(3) var<storage, read> b_words: array<u32>;

fn word_at(i: u32) -> u32 {
  return b_words[i];
}

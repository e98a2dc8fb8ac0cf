@group(0) @binding(2) var<storage, read> x_words: array<u32>;

fn word_at(i: u32) -> u32 {
  return x_words[i];
}

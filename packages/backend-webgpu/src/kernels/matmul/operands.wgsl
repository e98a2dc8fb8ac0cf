// attrs: M, N, K; more: the steps of a along M and K, and of b along K and N. The walked dims are the batch's.

@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> a_words: array<u32>;
@group(0) @binding(3) var<storage, read> b_words: array<u32>;

fn word_at(i: u32) -> u32 {
  return b_words[i];
}

fn left(i: u32) -> f32 {
  return widen(bits_in(a_words[word_of(i, LEFT)], i, LEFT), LEFT);
}

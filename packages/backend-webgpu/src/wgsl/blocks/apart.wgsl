// Blocks of a half, their scale, and BODY whole words, as GGML has them: every other block begins within a word. The
// scale comes first or, without HEAD_FIRST, last.

fn head(block: u32) -> f32 {
  let half = block * (2u * BODY + 1u) + select(2u * BODY, 0u, HEAD_FIRST);
  return halves_of(word_at(half >> 1u))[half & 1u];
}

fn body(block: u32, word: u32) -> u32 {
  let half = block * (2u * BODY + 1u) + select(0u, 1u, HEAD_FIRST) + 2u * word;
  let low = word_at(half >> 1u);
  if ((half & 1u) == 0u) { return low; }
  return (low >> 16u) | (word_at((half >> 1u) + 1u) << 16u);
}

// Blocks of a half, their scale, and BODY whole words, packed two by two: a word with both scales stands before the first
// block's words or, without HEAD_FIRST, between both blocks' words. See pack.wgsl.

fn head(block: u32) -> f32 {
  let word = word_at((block >> 1u) * (2u * BODY + 1u) + select(BODY, 0u, HEAD_FIRST));
  return halves_of(word)[block & 1u];
}

fn body(block: u32, word: u32) -> u32 {
  let second = block & 1u;
  let scales_before = select(second, 1u, HEAD_FIRST);
  return word_at((block >> 1u) * (2u * BODY + 1u) + scales_before + second * BODY + word);
}

// Blocks of whole words: BODY of them.

fn body(block: u32, word: u32) -> u32 {
  return word_at(block * BODY + word);
}

// Bits j to j + 3 of a word, each as bit 4 of a byte of its own.

fn fifth_bits(word: u32, j: u32) -> u32 {
  let four = word >> j;
  return ((four & 1u) << 4u) | ((four & 2u) << 11u) | ((four & 4u) << 18u) | ((four & 8u) << 25u);
}

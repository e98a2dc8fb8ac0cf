// Sums and products of ints and truth values, modulo 2^32.

@group(0) @binding(2) var<storage, read> x_words: array<u32>;

alias Folded = u32;

fn start() -> Folded {
  return select(0u, 1u, PRODUCT);
}

fn take(folded: Folded, at: u32, j: u32) -> Folded {
  return merge(folded, x_words[at]);
}

fn merge(a: Folded, b: Folded) -> Folded {
  if (PRODUCT) { return a * b; }
  return a + b;
}

fn result(folded: Folded, row: u32) -> u32 {
  return select(folded, folded & 255u, OUT == U8);
}

// Sums and products in f32.

@group(0) @binding(2) var<storage, read> x_words: array<u32>;

alias Folded = f32;

fn start() -> Folded {
  return select(0.0, 1.0, PRODUCT);
}

fn take(folded: Folded, at: u32, j: u32) -> Folded {
  return merge(folded, widen(bits_in(x_words[word_of(at, X)], at, X), X));
}

fn merge(a: Folded, b: Folded) -> Folded {
  if (PRODUCT) { return a * b; }
  return a + b;
}

fn result(folded: Folded, row: u32) -> u32 {
  return narrow(folded, OUT);
}

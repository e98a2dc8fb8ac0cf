// Whether some element, or all of them, are not 0.

@group(0) @binding(2) var<storage, read> x_words: array<u32>;

alias Folded = u32;

fn start() -> Folded {
  return u32(ALL);
}

fn take(folded: Folded, at: u32, j: u32) -> Folded {
  let bits = bits_in(x_words[word_of(at, X)], at, X);
  let magnitude = select(bits, widen_bits(bits, X) & 0x7fffffffu, is_float(X));
  return merge(folded, u32(magnitude != 0u));
}

fn merge(a: Folded, b: Folded) -> Folded {
  if (ALL) { return a & b; }
  return a | b;
}

fn result(folded: Folded, row: u32) -> u32 {
  return folded;
}

// The first largest or smallest element: its rank as an integer that grows towards the extreme, NaN above all, and its
// place in the row.

@group(0) @binding(2) var<storage, read> x_words: array<u32>;

struct Folded {
  rank: u32,
  place: u32,
}

fn start() -> Folded {
  return Folded(0u, 0xffffffffu);
}

fn bits_at(at: u32) -> u32 {
  return bits_in(x_words[word_of(at, X)], at, X);
}

fn rank_of(bits: u32) -> u32 {
  var order = int_order(bits);
  if (is_float(X)) {
    order = float_order(widen_bits(bits, X));
    if (order == 0xffffffffu) { return order; }
  }
  return select(order, ~order, SMALLEST);
}

fn take(folded: Folded, at: u32, j: u32) -> Folded {
  return merge(folded, Folded(rank_of(bits_at(at)), j));
}

fn merge(a: Folded, b: Folded) -> Folded {
  if (b.rank > a.rank || (b.rank == a.rank && b.place < a.place)) { return b; }
  return a;
}

fn result(folded: Folded, row: u32) -> u32 {
  if (PLACE) { return folded.place; }
  let bits = bits_at(row_start(row).y + in_row(folded.place).y);
  if (is_float(X)) { return narrow_bits(widen_bits(bits, X), OUT); }
  return bits;
}

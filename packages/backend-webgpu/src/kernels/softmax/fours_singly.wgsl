// Rows of any float dtype in any strides. attrs.x: x's step along the row.

@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x_words: array<u32>;

// Elements 4c to 4c + 3 of a row, -infinity beyond its end.
fn four_at(row: u32, c: u32) -> vec4f {
  var four = vec4f(-infinity());
  for (var e = 0u; e < 4u; e++) {
    let at = row + (4u * c + e) * params.attrs.x;
    if (4u * c + e < params.length) { four[e] = widen(bits_in(x_words[word_of(at, X)], at, X), X); }
  }
  return four;
}

fn store_four(row: u32, c: u32, four: vec4u) {
  for (var e = 0u; e < 4u; e++) {
    if (4u * c + e < params.length) { out[row + 4u * c + e] = four[e]; }
  }
}

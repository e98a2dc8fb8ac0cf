// Queries of any float dtype in any strides.

@group(0) @binding(2) var<storage, read> queries: array<u32>;

// Elements 4c to 4c + 3 of a query, scaled, and 0 beyond its end.
fn query_chunk(row: Row, c: u32) -> vec4f {
  let line = params.query_at + row.batch * params.query_b + row.head * params.query_h + row.group * params.query_g +
    row.time * params.query_t;
  var bits = vec4u();
  for (var e = 0u; e < 4u; e++) {
    let at = line + (4u * c + e) * params.query_d;
    if (4u * c + e < D) { bits[e] = bits_in(queries[word_of(at, QUERY)], at, QUERY); }
  }
  return widen_four(bits, QUERY) * params.scale;
}

// Queries of f32 that lie without gaps from a multiple of 4 on: four elements at once.

@group(0) @binding(2) var<storage, read> queries: array<vec4f>;

// Elements 4c to 4c + 3 of a query, scaled.
fn query_chunk(row: Row, c: u32) -> vec4f {
  let line = params.query_at + row.batch * params.query_b + row.head * params.query_h + row.group * params.query_g +
    row.time * params.query_t;
  return queries[(line >> 2u) + c] * params.scale;
}

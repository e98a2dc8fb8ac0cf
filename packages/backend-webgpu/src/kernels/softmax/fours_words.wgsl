// Rows of f32 that lie without gaps from a multiple of 4 on: elements 4c to 4c + 3 at once.

@group(0) @binding(1) var<storage, read_write> out: array<vec4u>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;

fn four_at(row: u32, c: u32) -> vec4f {
  if (4u * c >= params.length) { return vec4f(-infinity()); }
  return x[(row >> 2u) + c];
}

fn store_four(row: u32, c: u32, four: vec4u) {
  if (4u * c < params.length) { out[(row >> 2u) + c] = four; }
}

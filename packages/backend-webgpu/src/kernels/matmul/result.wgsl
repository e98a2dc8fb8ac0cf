// attrs: M, N, K, and from row to row of the result; more: the steps of a along M and K, and of b along K and N; extra.x:
// whether to add to what is there. The walked dims are the batch's.

@group(0) @binding(1) var<storage, read_write> out: array<u32>;

fn store(i: u32, value: f32) {
  var sum = value;
  if (params.extra.x == 1u) { sum += bitcast<f32>(out[i]); }
  out[i] = bitcast<u32>(sum);
}

fn store_quad(i: u32, quad: vec4f) {
  let bits = bitcast<vec4u>(quad);
  out[i] = bits.x;
  out[i + 1u] = bits.y;
  out[i + 2u] = bits.z;
  out[i + 3u] = bits.w;
}

// The same where some columns may lie beyond the result, or sums are added to.
fn store_edge(i: u32, column: u32, quad: vec4f) {
  let n = params.attrs.y;
  store(i, quad.x);
  if (column + 1u < n) { store(i + 1u, quad.y); }
  if (column + 2u < n) { store(i + 2u, quad.z); }
  if (column + 3u < n) { store(i + 3u, quad.w); }
}

// Stores what lies within the result of a block of 4 x 4, whose columns are the rows from `row` on.
fn store_block(at: u32, row: u32, column: u32, block: mat4x4f) {
  let size = params.attrs;
  let first = at + row * size.w + column;
  if (row + 4u <= size.x && column + 4u <= size.y && params.extra.x == 0u) {
    store_quad(first, block[0]);
    store_quad(first + size.w, block[1]);
    store_quad(first + 2u * size.w, block[2]);
    store_quad(first + 3u * size.w, block[3]);
    return;
  }
  if (row >= size.x || column >= size.y) { return; }
  store_edge(first, column, block[0]);
  if (row + 1u < size.x) { store_edge(first + size.w, column, block[1]); }
  if (row + 2u < size.x) { store_edge(first + 2u * size.w, column, block[2]); }
  if (row + 3u < size.x) { store_edge(first + 3u * size.w, column, block[3]); }
}

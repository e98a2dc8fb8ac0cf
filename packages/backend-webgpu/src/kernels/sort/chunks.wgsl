// A workgroup sorts one chunk of one row. attrs: x's step along the dim, what flips the order, chunks a row.

@group(0) @binding(1) var<storage, read_write> orders: array<u32>;
@group(0) @binding(2) var<storage, read_write> row_places: array<u32>;
@group(0) @binding(3) var<storage, read> x_words: array<u32>;

var<workgroup> chunk_orders: array<u32, CHUNK>;
var<workgroup> chunk_places: array<u32, CHUNK>;

fn order_at(at: u32) -> u32 {
  let bits = bits_in(x_words[word_of(at, X)], at, X);
  if (is_float(X)) { return float_order(widen_bits(bits, X)) ^ params.attrs.y; }
  return int_order(bits) ^ params.attrs.y;
}

// Puts two pairs in order, or in the reverse one.
fn exchange(i: u32, j: u32, rising: bool) {
  let a = vec2u(chunk_orders[i], chunk_places[i]);
  let b = vec2u(chunk_orders[j], chunk_places[j]);
  let wrong = b.x < a.x || (b.x == a.x && b.y < a.y);
  if (wrong == rising) {
    chunk_orders[i] = b.x;
    chunk_places[i] = b.y;
    chunk_orders[j] = a.x;
    chunk_places[j] = a.y;
  }
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let which = group.y * grid.x + group.x;
  let row = which / params.attrs.z;
  if (row >= params.numel) { return; }
  let first = (which - row * params.attrs.z) * CHUNK;
  let start = places(row).y;
  for (var j = lane; j < CHUNK; j += LANES) {
    let place = first + j; // beyond the row it comes last: no element has a higher order, nor a higher place
    chunk_places[j] = place;
    chunk_orders[j] = 0xffffffffu;
    if (place < params.length) { chunk_orders[j] = order_at(start + place * params.attrs.x); }
  }
  workgroupBarrier();
  for (var size = 2u; size <= CHUNK; size <<= 1u) {
    for (var apart = size >> 1u; apart > 0u; apart >>= 1u) {
      for (var pair = lane; pair < CHUNK / 2u; pair += LANES) {
        let i = (pair / apart) * 2u * apart + pair % apart;
        exchange(i, i + apart, (i & size) == 0u);
      }
      workgroupBarrier();
    }
  }
  for (var j = lane; j < CHUNK; j += LANES) {
    if (first + j < params.length) {
      orders[row * params.length + first + j] = chunk_orders[j];
      row_places[row * params.length + first + j] = chunk_places[j];
    }
  }
}

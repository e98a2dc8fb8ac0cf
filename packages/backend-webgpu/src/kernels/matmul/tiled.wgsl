// A workgroup computes TILE_M x TILE_N elements, an invocation 4 ROW_BLOCKS x 4 of them. DEPTH rows of K at a time go through
// workgroup memory, K by K, as quads along M and N: each loaded block of 4 x 4 is stored as four quads.

const M_QUADS = TILE_M / 4u;
const N_QUADS = TILE_N / 4u;
const K_QUADS = DEPTH / 4u;
const THREADS = N_QUADS * M_QUADS / ROW_BLOCKS;

var<workgroup> a_tile: array<vec4f, DEPTH * M_QUADS>; // [DEPTH][TILE_M]
var<workgroup> b_tile: array<vec4f, DEPTH * N_QUADS>; // [DEPTH][TILE_N]

// Which block of a tile an invocation loads: (along the tile's side, along K), neighbours along the smaller step.
fn share(e: u32, side: u32, along_k: bool) -> vec2u {
  if (along_k) { return vec2u(e / K_QUADS, e % K_QUADS); }
  return vec2u(e % side, e / side);
}

fn load_tiles(at: vec4u, row: u32, column: u32, depth: u32, lane: u32) {
  let step = params.more;
  for (var e = lane; e < M_QUADS * K_QUADS; e += THREADS) {
    let place = share(e, M_QUADS, step.y <= step.x);
    let k = depth + 4u * place.y;
    var block = mat4x4f();
    if (k < params.attrs.z) { block = transpose(left_block(at.y, row + 4u * place.x, k)); }
    for (var j = 0u; j < 4u; j++) { a_tile[(4u * place.y + j) * M_QUADS + place.x] = block[j]; }
  }
  for (var e = lane; e < N_QUADS * K_QUADS; e += THREADS) {
    let place = share(e, N_QUADS, step.z <= step.w);
    let k = depth + 4u * place.y;
    var block = mat4x4f();
    if (k < params.attrs.z) { block = right_block(at.z, k, column + 4u * place.x); }
    for (var j = 0u; j < 4u; j++) { b_tile[(4u * place.y + j) * N_QUADS + place.x] = block[j]; }
  }
}

fn compute_tile(at: vec4u, row: u32, column: u32, lane: u32) {
  let x = lane % N_QUADS;
  let y = lane / N_QUADS * ROW_BLOCKS;
  var sums = array<mat4x4f, ROW_BLOCKS>();
  for (var depth = 0u; depth < params.attrs.z; depth += DEPTH) {
    load_tiles(at, row, column, depth, lane);
    workgroupBarrier();
    for (var k = 0u; k < DEPTH; k++) {
      let b = b_tile[k * N_QUADS + x];
      for (var i = 0u; i < ROW_BLOCKS; i++) {
        let a = a_tile[k * M_QUADS + y + i];
        sums[i] += mat4x4f(a.x * b, a.y * b, a.z * b, a.w * b);
      }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < ROW_BLOCKS; i++) { store_block(at.x, row + 4u * (y + i), column + 4u * x, sums[i]); }
}

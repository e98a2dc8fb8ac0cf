// A workgroup computes 64 x 64 elements, an invocation 4 x 4 of them, 16 elements apart so that neighbours read
// neighbours. Tiles of a and b, 64 x 16 and 16 x 64, go through workgroup memory; both are kept K by K.

const TILE = 64u;
const DEPTH = 16u;

var<workgroup> a_tile: array<f32, 1024>; // [DEPTH][TILE]
var<workgroup> b_tile: array<f32, 1024>; // [DEPTH][TILE]

// Which element of a tile an invocation loads: (along the tile's side, along K), neighbours along the smaller step.
fn share(e: u32, along_depth: bool) -> vec2u {
  if (along_depth) { return vec2u(e / DEPTH, e % DEPTH); }
  return vec2u(e % TILE, e / TILE);
}

fn load_tiles(at: vec4u, row: u32, column: u32, depth: u32, lane: u32) {
  let size = params.attrs;
  let step = params.more;
  for (var e = lane; e < TILE * DEPTH; e += 256u) {
    let a = share(e, step.y <= step.x);
    var value = 0.0;
    if (row + a.x < size.x && depth + a.y < size.z) {
      value = left(at.y + (row + a.x) * step.x + (depth + a.y) * step.y);
    }
    a_tile[a.y * TILE + a.x] = value;
    let b = share(e, step.z <= step.w);
    value = 0.0;
    if (column + b.x < size.y && depth + b.y < size.z) {
      value = element(at.z + (column + b.x) * step.w + (depth + b.y) * step.z);
    }
    b_tile[b.y * TILE + b.x] = value;
  }
}

fn compute_tile(at: vec4u, row: u32, column: u32, lane: u32) {
  let x = lane % 16u;
  let y = lane / 16u;
  var sums = array<vec4f, 4>();
  for (var depth = 0u; depth < params.attrs.z; depth += DEPTH) {
    load_tiles(at, row, column, depth, lane);
    workgroupBarrier();
    for (var k = 0u; k < DEPTH; k++) {
      let base = k * TILE;
      let b = vec4f(b_tile[base + x], b_tile[base + x + 16u], b_tile[base + x + 32u], b_tile[base + x + 48u]);
      sums[0] += a_tile[base + y] * b;
      sums[1] += a_tile[base + y + 16u] * b;
      sums[2] += a_tile[base + y + 32u] * b;
      sums[3] += a_tile[base + y + 48u] * b;
    }
    workgroupBarrier();
  }
  for (var r = 0u; r < 4u; r++) {
    for (var c = 0u; c < 4u; c++) {
      let m = row + y + 16u * r;
      let n = column + x + 16u * c;
      if (m < params.attrs.x && n < params.attrs.y) { out[at.x + m * params.attrs.y + n] = bitcast<u32>(sums[r][c]); }
    }
  }
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  for (var batch = group.z; batch < params.numel; batch += grid.z) {
    compute_tile(places(batch), group.y * TILE, group.x * TILE, lane);
  }
}

// Workgroups of THREADS take the tiles of TILE_M x TILE_N in turns; `compute_tile` says what one of them is.

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  for (var batch = group.z; batch < params.numel; batch += grid.z) {
    let at = places(batch);
    for (var row = group.y * TILE_M; row < params.attrs.x; row += grid.y * TILE_M) {
      for (var column = group.x * TILE_N; column < params.attrs.y; column += grid.x * TILE_N) {
        compute_tile(at, row, column, lane);
      }
    }
  }
}

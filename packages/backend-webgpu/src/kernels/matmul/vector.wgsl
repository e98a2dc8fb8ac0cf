// One to four rows times a right operand whose elements lie together along K: LANES invocations share a column, each takes
// every LANES-th run of K, and `column_sum` adds up what they have. Every weight is read once. `run_dots` says how long a
// run is.

@compute @workgroup_size(LANES * COLUMNS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let size = params.attrs;
  let first = (group.y * grid.x + group.x) * COLUMNS;
  let column = first + lane / LANES;
  let b = min(column, size.y - 1u) * params.more.w;
  for (var batch = group.z; batch < params.numel; batch += grid.z) {
    let at = places(batch);
    var sums = vec4f();
    for (var k = lane % LANES * RUN; k < size.z; k += LANES * RUN) { sums += run_dots(at.z + b + k, at.y, k); }
    var rows = column_sum(lane, sums);
    if (lane % LANES == 0u && column < size.y) {
      for (var r = 0u; r < min(size.x, 4u); r++) { store(at.x + r * size.w + column, rows[r]); }
    }
    workgroupBarrier();
  }
}

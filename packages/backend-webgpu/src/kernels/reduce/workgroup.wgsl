// A workgroup folds one row: each invocation every LANES-th element, then what they have.

@group(0) @binding(1) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y * grid.x + group.x;
  if (row >= params.numel) { return; }
  let first = row_start(row).y;
  var folded = start();
  for (var j = lane; j < params.length; j += LANES) { folded = take(folded, first + in_row(j).y, j); }
  folded = fold_workgroup(lane, folded);
  if (lane == 0u) { out[row] = result(folded, row); }
}

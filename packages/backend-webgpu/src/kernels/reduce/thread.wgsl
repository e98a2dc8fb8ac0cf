// An invocation folds one row.

@group(0) @binding(1) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = (group.y * grid.x + group.x) * 64u + lane;
  if (row >= params.numel) { return; }
  let first = row_start(row).y;
  var folded = start();
  for (var j = 0u; j < params.length; j++) { folded = take(folded, first + in_row(j).y, j); }
  out[row] = result(folded, row);
}

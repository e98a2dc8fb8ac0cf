// A workgroup folds one row: each invocation every 256th element, then a tree over what they have.

@group(0) @binding(1) var<storage, read_write> out: array<u32>;

var<workgroup> shares: array<Folded, 256>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y * grid.x + group.x;
  if (row >= params.numel) { return; }
  let first = row_start(row).y;
  var folded = start();
  for (var j = lane; j < params.length; j += 256u) { folded = take(folded, first + in_row(j).y, j); }
  shares[lane] = folded;
  for (var apart = 128u; apart > 0u; apart >>= 1u) {
    workgroupBarrier();
    if (lane < apart) { shares[lane] = merge(shares[lane], shares[lane + apart]); }
  }
  if (lane == 0u) { out[row] = result(shares[0], row); }
}

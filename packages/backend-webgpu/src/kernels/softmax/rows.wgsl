// A workgroup makes one row: neighbouring invocations take neighbouring fours, and what they know is merged.

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y * grid.x + group.x;
  if (row >= params.numel) { return; }
  let at = places(row);
  let chunks = (params.length + 3u) / 4u;
  var running = start();
  for (var c = lane; c < chunks; c += 4u * LANES) {
    running = take(
      running,
      four_at(at.y, c),
      four_at(at.y, c + LANES),
      four_at(at.y, c + 2u * LANES),
      four_at(at.y, c + 3u * LANES),
    );
  }
  running = fold_workgroup(lane, running);
  let share = share_of(running);
  for (var c = lane; c < chunks; c += LANES) { store_four(at.x, c, result(four_at(at.y, c), running.maximum, share)); }
}

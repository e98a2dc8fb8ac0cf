// A workgroup makes one row: neighbouring invocations take neighbouring fours, and what they know is merged by a tree.

var<workgroup> maxima: array<f32, LANES>;
var<workgroup> sums: array<f32, LANES>;
var<workgroup> spoils: array<u32, LANES>;

fn known(lane: u32) -> Running {
  return Running(maxima[lane], sums[lane], spoils[lane] != 0u);
}

fn tell(lane: u32, running: Running) {
  maxima[lane] = running.maximum;
  sums[lane] = running.sum;
  spoils[lane] = u32(running.spoilt);
}

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
  var running = nothing();
  for (var c = lane; c < chunks; c += 4u * LANES) {
    running = take(
      running,
      four_at(at.y, c),
      four_at(at.y, c + LANES),
      four_at(at.y, c + 2u * LANES),
      four_at(at.y, c + 3u * LANES),
    );
  }
  tell(lane, running);
  for (var apart = LANES / 2u; apart > 0u; apart >>= 1u) {
    workgroupBarrier();
    if (lane < apart) { tell(lane, merge(known(lane), known(lane + apart))); }
  }
  workgroupBarrier();
  running = known(0u);
  let share = share_of(running);
  for (var c = lane; c < chunks; c += LANES) { store_four(at.x, c, result(four_at(at.y, c), running.maximum, share)); }
}

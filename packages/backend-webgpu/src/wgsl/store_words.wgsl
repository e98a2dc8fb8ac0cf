// Writes element i of the result, a word each: `fn produce(i, at) -> u32` makes its bits, given where i lies in each operand.

@group(0) @binding(1) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  if (i >= params.numel) { return; }
  let at = places(i);
  out[at.x] = produce(i, at);
}

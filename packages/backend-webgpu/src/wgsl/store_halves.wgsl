// Writes element i of a result whose elements are two a word and lie anywhere: invocations share words, so each clears and
// sets its own half by atomic operations, which do not touch the other.

@group(0) @binding(1) var<storage, read_write> out: array<atomic<u32>>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  if (i >= params.numel) { return; }
  let at = places(i);
  let shift = (at.x & 1u) * 16u;
  let bits = produce(i, at);
  atomicAnd(&out[at.x >> 1u], ~(0xffffu << shift));
  atomicOr(&out[at.x >> 1u], bits << shift);
}

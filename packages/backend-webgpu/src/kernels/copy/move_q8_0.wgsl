// Moves a q8_0 block as it is, half by half: a block has 17 of them and shares a word with its neighbour.

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
  for (var j = 0u; j < 17u; j++) {
    let half_of_x = (at.y >> 5u) * 17u + j;
    let half_of_out = (at.x >> 5u) * 17u + j;
    let bits = (word_at(half_of_x >> 1u) >> ((half_of_x & 1u) * 16u)) & 0xffffu;
    let shift = (half_of_out & 1u) * 16u;
    atomicAnd(&out[half_of_out >> 1u], ~(0xffffu << shift));
    atomicOr(&out[half_of_out >> 1u], bits << shift);
  }
}

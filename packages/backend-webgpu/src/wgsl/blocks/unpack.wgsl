// Undoes pack.wgsl.

@group(0) @binding(1) var<storage, read_write> words: array<u32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let pair = (group.y * grid.x + group.x) * 64u + lane;
  if (pair >= params.numel) { return; }
  let base = pair * PAIR_WORDS;
  let second_scale = words[base + FIRST] & 0xffff0000u;
  var low = words[base + FIRST] & 0xffffu;
  for (var w = base + FIRST; w < base + LAST; w++) {
    let next = words[w + 1u];
    words[w] = low | (next << 16u);
    low = next >> 16u;
  }
  words[base + LAST] = low | second_scale;
}

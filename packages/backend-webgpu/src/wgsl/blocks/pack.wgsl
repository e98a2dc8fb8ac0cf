// Packs a pair of blocks: the half before word FIRST's upper one stays, and the halves from there to the upper half of word
// LAST move on by one, the last of them to the front. See packing.ts.

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
  var before = words[base + FIRST];
  words[base + FIRST] = (before & 0xffffu) | (words[base + LAST] & 0xffff0000u);
  for (var w = base + FIRST + 1u; w <= base + LAST; w++) {
    let word = words[w];
    words[w] = (before >> 16u) | (word << 16u);
    before = word;
  }
}

// Writes elements 2i and 2i + 1 of a result whose elements are two a word: an invocation owns a word, so the result must
// lie without gaps and fill whole words.

@group(0) @binding(1) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let pair = (group.y * grid.x + group.x) * 64u + lane;
  let i = 2u * pair;
  if (i >= params.numel) { return; }
  var word = produce(i, places(i));
  if (i + 1u < params.numel) { word |= produce(i + 1u, places(i + 1u)) << 16u; }
  out[(params.offsets.x >> 1u) + pair] = word;
}

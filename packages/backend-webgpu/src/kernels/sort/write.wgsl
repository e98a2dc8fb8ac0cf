// Fetches values by their places. attrs.x: x's step along the dim.

@group(0) @binding(1) var<storage, read_write> values: array<u32>;
@group(0) @binding(2) var<storage, read_write> indices: array<u32>;
@group(0) @binding(3) var<storage, read> x_words: array<u32>;
@group(0) @binding(4) var<storage, read> row_places: array<u32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  if (i >= params.numel) { return; }
  let at = places(i);
  let place = row_places[i];
  let x_at = at.y + place * params.attrs.x;
  values[at.x] = widen_bits(bits_in(x_words[word_of(x_at, X)], x_at, X), X);
  indices[at.x] = place;
}

// An invocation writes one line of out, up to WINDOW places of it in a dispatch. attrs: the size of the dim that is indexed,
// and the steps along it in out, index and source; more: the tag of this dispatch, and the first place.

@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> indices: array<i32>;
@group(0) @binding(3) var<storage, read> source: array<u32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let line = (group.y * grid.x + group.x) * 64u + lane;
  if (line >= params.numel) { return; }
  let start = places(line);
  let end = min(params.more.y + WINDOW, params.length);
  for (var j = params.more.y; j < end; j++) {
    let index = indices[start.y + j * params.attrs.z];
    if (!in_range(index, params.attrs.x, params.more.x)) { continue; }
    let x_at = start.z + j * params.attrs.w;
    let out_at = start.x + u32(index) * params.attrs.y;
    out[out_at] = store(out[out_at], widen_bits(bits_in(source[word_of(x_at, X)], x_at, X), X));
  }
}

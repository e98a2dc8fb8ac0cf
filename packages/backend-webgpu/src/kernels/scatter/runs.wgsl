// Equal indices lie together, in the order they had: the invocation at the first of a run goes through it. A dispatch does
// WINDOW places of each line, so that none takes more steps, and the next goes on where a run was cut. attrs: the size of
// the dim that is indexed, and the steps along it in out, in the sorted index and its places, and in source; more: the tag
// of this dispatch, and the window's first place.

@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> indices: array<i32>;
@group(0) @binding(3) var<storage, read> source: array<u32>;
@group(0) @binding(5) var<storage, read> order: array<u32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  let line = i / WINDOW;
  let place = params.more.y + i % WINDOW;
  if (line >= params.numel || place >= params.length) { return; }
  let start = places(line);
  let step = params.attrs.z;
  let index = indices[start.y + place * step];
  if (i % WINDOW != 0u && indices[start.y + (place - 1u) * step] == index) { return; }
  if (!in_range(index, params.attrs.x, params.more.x)) { return; }
  let out_at = start.x + u32(index) * params.attrs.y;
  let end = min(params.more.y + WINDOW, params.length);
  var value = out[out_at];
  for (var j = place; j < end && indices[start.y + j * step] == index; j++) {
    let x_at = start.z + order[start.y + j * step] * params.attrs.w;
    value = store(value, widen_bits(bits_in(source[word_of(x_at, X)], x_at, X), X));
  }
  out[out_at] = value;
}

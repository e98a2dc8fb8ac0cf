// Merges runs of attrs.x pairs two by two: a pair's place is its own in its run, and how many in the other run go before it.

@group(0) @binding(1) var<storage, read_write> to_orders: array<u32>;
@group(0) @binding(2) var<storage, read_write> to_places: array<u32>;
@group(0) @binding(3) var<storage, read> orders: array<u32>;
@group(0) @binding(4) var<storage, read> row_places: array<u32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  if (i >= params.numel) { return; }
  let row = i / params.length;
  let row_first = row * params.length;
  let place = i - row_first;
  let run = place / params.attrs.x;
  let other = (run ^ 1u) * params.attrs.x;
  let mine = vec2u(orders[i], row_places[i]);
  var low = min(other, params.length);
  var high = min(other + params.attrs.x, params.length);
  let first = low;
  while (low < high) {
    let middle = (low + high) / 2u;
    let theirs = vec2u(orders[row_first + middle], row_places[row_first + middle]);
    if (theirs.x < mine.x || (theirs.x == mine.x && theirs.y < mine.y)) { low = middle + 1u; } else { high = middle; }
  }
  let to = row_first + (run >> 1u) * 2u * params.attrs.x + (place - run * params.attrs.x) + (low - first);
  to_orders[to] = mine.x;
  to_places[to] = mine.y;
}

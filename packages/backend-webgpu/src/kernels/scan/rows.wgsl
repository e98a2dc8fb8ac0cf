// attrs: the steps along the dim in out and x.

@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x_words: array<u32>;

var<workgroup> shares: array<Running, 64>;

fn merge(a: Running, b: Running) -> Running {
  if (PRODUCT) { return a * b; }
  return a + b;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y * grid.x + group.x;
  if (row >= params.numel) { return; }
  let at = places(row);
  let segment = (params.length + 63u) / 64u;
  let first = min(lane * segment, params.length);
  let end = min(first + segment, params.length);
  let nothing = Running(select(0, 1, PRODUCT));
  var share = nothing;
  for (var j = first; j < end; j++) { share = merge(share, load(at.y + j * params.attrs.y)); }
  shares[lane] = share;
  workgroupBarrier();
  var running = nothing;
  for (var before = 0u; before < lane; before++) { running = merge(running, shares[before]); }
  for (var j = first; j < end; j++) {
    running = merge(running, load(at.y + j * params.attrs.y));
    out[at.x + j * params.attrs.x] = bitcast<u32>(running);
  }
}

// An invocation computes one element: the reference.

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  let m = params.attrs.x;
  let n = params.attrs.y;
  let rows = i / n;
  let batch = rows / m;
  if (batch >= params.numel) { return; }
  let at = places(batch);
  let row = rows - batch * m;
  let column = i - rows * n;
  var ia = at.y + row * params.more.x;
  var ib = at.z + column * params.more.w;
  var sum = 0.0;
  for (var k = 0u; k < params.attrs.z; k++) {
    sum += left(ia) * element(ib);
    ia += params.more.y;
    ib += params.more.z;
  }
  store(at.x + row * params.attrs.w + column, sum);
}

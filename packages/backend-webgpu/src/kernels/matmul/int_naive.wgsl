// An invocation computes one element of a product of ints, modulo 2^32, or of truth values.

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
  let place = at.x + row * params.attrs.w + column;
  var sum = 0u;
  if (params.extra.x == 1u) { sum = out[place]; }
  for (var k = 0u; k < params.attrs.z; k++) {
    sum += a_words[ia] * b_words[ib];
    ia += params.more.y;
    ib += params.more.z;
  }
  out[place] = select(select(sum, sum & 255u, LEFT == U8), u32(sum != 0u), LEFT == BOOL);
}

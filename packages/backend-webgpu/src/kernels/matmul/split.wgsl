// A workgroup computes 4 x 4 LANES elements; PARTS invocations share a block of 4 x 4, each takes every PARTS-th four of K,
// and their sums are added in workgroup memory, in one order. For few rows, when `vector` does not take the operands.

const LANES = 8u;
const PARTS = 8u;

var<workgroup> partial: array<mat4x4f, LANES * PARTS>; // [PARTS][LANES]

@compute @workgroup_size(LANES * PARTS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let part = lane / LANES;
  let column = ((group.y * grid.x + group.x) * LANES + lane % LANES) * 4u;
  for (var batch = group.z; batch < params.numel; batch += grid.z) {
    let at = places(batch);
    for (var row = 0u; row < params.attrs.x; row += 4u) {
      var sum = mat4x4f();
      for (var k = 4u * part; k < params.attrs.z; k += 4u * PARTS) {
        sum += right_block(at.z, k, column) * left_block(at.y, row, k);
      }
      partial[lane] = sum;
      for (var half = PARTS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (part < half) { partial[lane] += partial[lane + half * LANES]; }
      }
      workgroupBarrier();
      if (part == 0u) { store_block(at.x, row, column, partial[lane]); }
      workgroupBarrier();
    }
  }
}

// An invocation computes 4 ROW_BLOCKS x 8 elements from memory, without workgroup memory and barriers: for processors that
// pose as GPUs, whose vector lanes are the invocations of a workgroup and whose caches do what workgroup memory is for. The
// grid has the columns along x, the rows along y and the batch along z: loops over them cost a sixth here.
//
// It goes by blocks of 4 x 4: result += right * left, where a column of the left block is a row of the operand.

const LANES = 8u;

fn compute(at: vec4u, row: u32, column: u32) {
  var left_half = array<mat4x4f, ROW_BLOCKS>();
  var right_half = array<mat4x4f, ROW_BLOCKS>();
  for (var k = 0u; k < params.attrs.z; k += 4u) {
    let b0 = right_block(at.z, k, column);
    let b1 = right_block(at.z, k, column + 4u);
    for (var i = 0u; i < ROW_BLOCKS; i++) {
      let a = left_block(at.y, row + 4u * i, k);
      left_half[i] += b0 * a;
      right_half[i] += b1 * a;
    }
  }
  for (var i = 0u; i < ROW_BLOCKS; i++) {
    store_block(at.x, row + 4u * i, column, left_half[i]);
    store_block(at.x, row + 4u * i, column + 4u, right_half[i]);
  }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let column = (group.x * LANES + lane) * 8u;
  if (column >= params.attrs.y) { return; }
  compute(places(group.z), group.y * 4u * ROW_BLOCKS, column);
}

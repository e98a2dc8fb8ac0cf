// An invocation computes 4 ROW_BLOCKS x 8 elements from memory, without workgroup memory and barriers: for processors that
// pose as GPUs, whose vector lanes are the invocations of a workgroup and whose caches do what workgroup memory is for. The
// grid has the columns along x, the rows along y and the batch along z: loops over them cost a sixth here.
//
// It goes by blocks of 4 x 4: result += right * left, where a column of the left block is a row of the operand.
// Sums are named one by one, ROW_BLOCKS (1, 2 or 4) rows of them: compilers leave loops over more than two as they are, and an
// array of sums in memory.

const LANES = 8u;

fn compute(at: vec4u, row: u32, column: u32) {
  var c00 = mat4x4f();
  var c01 = mat4x4f();
  var c10 = mat4x4f();
  var c11 = mat4x4f();
  var c20 = mat4x4f();
  var c21 = mat4x4f();
  var c30 = mat4x4f();
  var c31 = mat4x4f();
  for (var k = 0u; k < params.attrs.z; k += 4u) {
    let b0 = right_block(at.z, k, column);
    let b1 = right_block(at.z, k, column + 4u);
    let a0 = left_block(at.y, row, k);
    c00 += b0 * a0;
    c01 += b1 * a0;
    if (ROW_BLOCKS >= 2u) {
      let a1 = left_block(at.y, row + 4u, k);
      c10 += b0 * a1;
      c11 += b1 * a1;
    }
    if (ROW_BLOCKS == 4u) {
      let a2 = left_block(at.y, row + 8u, k);
      c20 += b0 * a2;
      c21 += b1 * a2;
      let a3 = left_block(at.y, row + 12u, k);
      c30 += b0 * a3;
      c31 += b1 * a3;
    }
  }
  store_block(at.x, row, column, c00);
  store_block(at.x, row, column + 4u, c01);
  if (ROW_BLOCKS >= 2u) {
    store_block(at.x, row + 4u, column, c10);
    store_block(at.x, row + 4u, column + 4u, c11);
  }
  if (ROW_BLOCKS == 4u) {
    store_block(at.x, row + 8u, column, c20);
    store_block(at.x, row + 8u, column + 4u, c21);
    store_block(at.x, row + 12u, column, c30);
    store_block(at.x, row + 12u, column + 4u, c31);
  }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let column = (group.x * LANES + lane) * 8u;
  if (column >= params.attrs.y) { return; }
  compute(places(group.z), group.y * 4u * ROW_BLOCKS, column);
}

// Blocks of the left operand in any strides and sizes: column i holds k to k + 3 of row `row + i`, zeros beyond the ends.

fn left_block(at: u32, row: u32, k: u32) -> mat4x4f {
  var block = mat4x4f();
  for (var r = 0u; r < 4u; r++) {
    for (var j = 0u; j < 4u; j++) {
      if (row + r < params.attrs.x && k + j < params.attrs.z) {
        block[r][j] = left(at + (row + r) * params.more.x + (k + j) * params.more.y);
      }
    }
  }
  return block;
}

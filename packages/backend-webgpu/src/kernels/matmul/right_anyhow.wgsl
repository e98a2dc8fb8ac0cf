// Blocks of the right operand in any strides and sizes: column j holds the columns from `column` on of row `k + j`, zeros
// beyond the ends.

fn right_block(at: u32, k: u32, column: u32) -> mat4x4f {
  var block = mat4x4f();
  for (var j = 0u; j < 4u; j++) {
    for (var c = 0u; c < 4u; c++) {
      if (column + c < params.attrs.y && k + j < params.attrs.z) {
        block[j][c] = element(at + (k + j) * params.more.z + (column + c) * params.more.w);
      }
    }
  }
  return block;
}

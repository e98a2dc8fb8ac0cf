// Blocks of the left operand whose elements lie together along M, a multiple of 4 of them: column i holds k to k + 3 of
// row `row + i`.

fn left_block(at: u32, row: u32, k: u32) -> mat4x4f {
  let step = params.more.y;
  let first = at + k * step + min(row, params.attrs.x - 4u);
  return transpose(mat4x4f(
    left_quad(first),
    left_quad(first + step),
    left_quad(first + 2u * step),
    left_quad(first + 3u * step),
  ));
}

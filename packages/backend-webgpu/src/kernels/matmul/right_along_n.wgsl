// Blocks of the right operand whose elements lie together along N, a multiple of 4 of them: column j holds the columns
// from `column` on of row `k + j`.

fn right_block(at: u32, k: u32, column: u32) -> mat4x4f {
  let step = params.more.z;
  let first = at + k * step + min(column, params.attrs.y - 4u);
  return mat4x4f(
    right_quad(first),
    right_quad(first + step),
    right_quad(first + 2u * step),
    right_quad(first + 3u * step),
  );
}

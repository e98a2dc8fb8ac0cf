// Blocks of the right operand whose elements lie together along K, as those of a transposed weight do: column j holds the
// columns from `column` on of row `k + j`. Columns beyond the last repeat it, and nobody stores what comes of them.

fn right_block(at: u32, k: u32, column: u32) -> mat4x4f {
  let last = params.attrs.y - 1u;
  let step = params.more.w;
  return transpose(mat4x4f(
    right_quad(at + min(column, last) * step + k),
    right_quad(at + min(column + 1u, last) * step + k),
    right_quad(at + min(column + 2u, last) * step + k),
    right_quad(at + min(column + 3u, last) * step + k),
  ));
}

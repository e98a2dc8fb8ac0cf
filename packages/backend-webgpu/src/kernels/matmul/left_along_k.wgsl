// Blocks of the left operand whose elements lie together along K: column i holds k to k + 3 of row `row + i`. Rows beyond
// the last repeat it, and nobody stores what comes of them.

fn left_block(at: u32, row: u32, k: u32) -> mat4x4f {
  let last = params.attrs.x - 1u;
  let step = params.more.x;
  return mat4x4f(
    left_quad(at + min(row, last) * step + k),
    left_quad(at + min(row + 1u, last) * step + k),
    left_quad(at + min(row + 2u, last) * step + k),
    left_quad(at + min(row + 3u, last) * step + k),
  );
}

// The products of four elements along K with those of rows 0 to 3.
fn left_dots(right: vec4f, at: u32, k: u32) -> vec4f {
  return right * left_block(at, 0u, k);
}

// Blocks of a left operand of one row, whose elements lie together along K.

fn left_block(at: u32, row: u32, k: u32) -> mat4x4f {
  return mat4x4f(left_quad(at + k), vec4f(), vec4f(), vec4f());
}

fn left_dots(right: vec4f, at: u32, k: u32) -> vec4f {
  return vec4f(dot(right, left_quad(at + k)), 0.0, 0.0, 0.0);
}

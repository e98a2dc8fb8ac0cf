// Four elements of blocks of the right operand: elements i to i + 3, i a multiple of 4.

fn right_quad(i: u32) -> vec4f {
  return quad(i);
}

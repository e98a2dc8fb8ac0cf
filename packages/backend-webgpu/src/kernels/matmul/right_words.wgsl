// The right operand, four f32 at a time: elements i to i + 3, i a multiple of 4.

@group(0) @binding(3) var<storage, read> b_quads: array<vec4f>;

fn right_quad(i: u32) -> vec4f {
  return b_quads[i >> 2u];
}

// The right operand, four f16 at a time as the device itself reads them: elements i to i + 3, i a multiple of 4.

@group(0) @binding(3) var<storage, read> b_quads: array<vec4h>;

fn right_quad(i: u32) -> vec4f {
  return vec4f(b_quads[i >> 2u]);
}

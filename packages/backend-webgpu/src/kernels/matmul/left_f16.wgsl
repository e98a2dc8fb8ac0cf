// The left operand, four f16 at a time as the device itself reads them: elements i to i + 3, i a multiple of 4.

@group(0) @binding(2) var<storage, read> a_quads: array<vec4h>;

fn left_quad(i: u32) -> vec4f {
  return vec4f(a_quads[i >> 2u]);
}

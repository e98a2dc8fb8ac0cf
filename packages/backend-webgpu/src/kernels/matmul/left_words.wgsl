// The left operand, four f32 at a time: elements i to i + 3, i a multiple of 4.

@group(0) @binding(2) var<storage, read> a_quads: array<vec4f>;

fn left_quad(i: u32) -> vec4f {
  return a_quads[i >> 2u];
}

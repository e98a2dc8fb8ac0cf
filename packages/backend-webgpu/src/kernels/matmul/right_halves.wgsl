// The right operand, four f16 or bf16 at a time: elements i to i + 3, i a multiple of 4.

@group(0) @binding(3) var<storage, read> b_quads: array<vec2u>;

fn right_quad(i: u32) -> vec4f {
  let words = b_quads[i >> 2u];
  return vec4f(pair_of(words.x, X), pair_of(words.y, X));
}

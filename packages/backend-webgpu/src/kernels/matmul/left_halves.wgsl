// The left operand, four f16 or bf16 at a time: elements i to i + 3, i a multiple of 4.

@group(0) @binding(2) var<storage, read> a_quads: array<vec2u>;

fn left_quad(i: u32) -> vec4f {
  let words = a_quads[i >> 2u];
  return vec4f(pair_of(words.x, LEFT), pair_of(words.y, LEFT));
}

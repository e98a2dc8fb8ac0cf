// Lines of f16 or bf16 keys and values that lie without gaps from a multiple of 4 on: four elements at once.

@group(0) @binding(3) var<storage, read> keys: array<vec2u>;
@group(0) @binding(4) var<storage, read> values: array<vec2u>;

fn four_bits(words: vec2u) -> vec4u {
  return vec4u(words.x & 0xffffu, words.x >> 16u, words.y & 0xffffu, words.y >> 16u);
}

fn keys_at(line: u32, c: u32) -> vec4f {
  return widen_four(four_bits(keys[(line >> 2u) + c]), KEY);
}

fn values_at(line: u32, c: u32) -> vec4f {
  return widen_four(four_bits(values[(line >> 2u) + c]), VALUE);
}

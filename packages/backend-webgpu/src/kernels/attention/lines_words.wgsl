// Lines of f32 keys and values that lie without gaps from a multiple of 4 on: four elements at once.

@group(0) @binding(3) var<storage, read> keys: array<vec4f>;
@group(0) @binding(4) var<storage, read> values: array<vec4f>;

fn keys_at(line: u32, c: u32) -> vec4f {
  return keys[(line >> 2u) + c];
}

fn values_at(line: u32, c: u32) -> vec4f {
  return values[(line >> 2u) + c];
}

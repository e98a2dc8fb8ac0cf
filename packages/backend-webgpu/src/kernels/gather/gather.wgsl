// attrs: the size of the dim that is indexed, its stride in x, the tag of this dispatch, words of a window of x.

@group(0) @binding(3) var<storage, read> indices: array<i32>;

fn produce(i: u32, at: vec4u) -> u32 {
  let index = indices[at.z];
  if (!in_range(index, params.attrs.x, params.attrs.z)) { return 0u; }
  let source_at = at.y + u32(index) * params.attrs.y;
  if (X == OUT) { return element_bits(source_at); }
  return narrow(element(source_at), OUT);
}

// A function of an integer: i32 wraps, u8 keeps its low byte.

@group(0) @binding(2) var<storage, read> x_words: array<u32>;

fn produce(i: u32, at: vec4u) -> u32 {
  let y = bitcast<u32>(apply(bitcast<i32>(x_words[at.y])));
  return select(y, y & 255u, OUT == U8);
}

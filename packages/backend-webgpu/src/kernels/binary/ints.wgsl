// A function of two integers: i32 wraps, u8 keeps its low byte.

@group(0) @binding(2) var<storage, read> a_words: array<u32>;
@group(0) @binding(3) var<storage, read> b_words: array<u32>;

fn produce(i: u32, at: vec4u) -> u32 {
  let y = bitcast<u32>(apply(bitcast<i32>(a_words[at.y]), bitcast<i32>(b_words[at.z])));
  return select(y, y & 255u, OUT == U8);
}

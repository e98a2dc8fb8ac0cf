// Bytes, halves and blocks of a buffer of words; `fn word_at(i: u32) -> u32` says which. Blocks lie as GGML has them, so a
// block may begin in the middle of a word.

fn byte_at(i: u32) -> u32 {
  return (word_at(i >> 2u) >> ((i & 3u) * 8u)) & 255u;
}

fn signed_byte_at(i: u32) -> i32 {
  return bitcast<i32>(byte_at(i) << 24u) >> 24u;
}

// The f16 at an even byte.
fn half_at(i: u32) -> f32 {
  return widen((word_at(i >> 2u) >> ((i & 2u) * 8u)) & 0xffffu, F16);
}

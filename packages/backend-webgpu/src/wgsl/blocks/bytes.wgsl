// The bytes of a word, and halves, as numbers. A format's file defines, for element i of a buffer of its blocks,
//
//     fn block_scale(i: u32) -> vec2f    the factor and the offset of the 16 elements that i is among
//     fn block_bytes(i: u32) -> u32      four bytes for elements i to i + 3; i is a multiple of 4
//
// over `fn body(block: u32, word: u32) -> u32`, the words of a block, which one of three files defines. Another one of three
// (unsigned, signed, levels) says what the bytes stand for, that is what factor and offset apply to:
//
//     fn block_quad(i: u32) -> vec4f     as floats
//     fn block_word(i: u32) -> u32       as four signed bytes

fn bytes_of(word: u32) -> vec4f {
  return vec4f(vec4u(word, word >> 8u, word >> 16u, word >> 24u) & vec4u(255u));
}

fn signed_bytes_of(word: u32) -> vec4f {
  return vec4f(bitcast<vec4i>(vec4u(word << 24u, word << 16u, word << 8u, word)) >> vec4u(24u));
}

fn byte_of(word: u32, i: u32) -> u32 {
  return (word >> ((i & 3u) * 8u)) & 255u;
}

fn halves_of(word: u32) -> vec2f {
  return pair_of(word, F16);
}

// Elements are bytes from 0 to 127 less ZERO.

fn block_quad(i: u32) -> vec4f {
  return bytes_of(block_bytes(i)) - f32(ZERO);
}

fn block_word(i: u32) -> u32 {
  return ((block_bytes(i) | 0x80808080u) - ZERO * 0x01010101u) ^ 0x80808080u; // no byte borrows from its neighbour
}

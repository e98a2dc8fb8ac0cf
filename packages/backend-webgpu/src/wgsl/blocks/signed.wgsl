// Elements are signed bytes.

fn block_quad(i: u32) -> vec4f {
  return signed_bytes_of(block_bytes(i));
}

fn block_word(i: u32) -> u32 {
  return block_bytes(i);
}

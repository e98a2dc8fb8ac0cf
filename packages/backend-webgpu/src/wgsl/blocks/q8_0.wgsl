// q8_0: 32 elements in 34 bytes; element = d * q. See core/src/quant/q8_0.ts.

fn block_element(i: u32) -> f32 {
  let block = (i >> 5u) * 34u;
  return half_at(block) * f32(signed_byte_at(block + 2u + (i & 31u)));
}

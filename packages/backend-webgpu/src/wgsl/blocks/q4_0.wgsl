// q4_0: 32 elements in 18 bytes; element = d * (q - 8). See core/src/quant/q4_0.ts.

fn block_element(i: u32) -> f32 {
  let block = (i >> 5u) * 18u;
  let j = i & 31u;
  let q = (byte_at(block + 2u + (j & 15u)) >> ((j >> 4u) * 4u)) & 15u;
  return half_at(block) * (f32(q) - 8.0);
}

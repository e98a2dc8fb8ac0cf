// q4_1: 32 elements in 20 bytes; element = d * q + m. See core/src/quant/q4_1.ts.

fn block_element(i: u32) -> f32 {
  let block = (i >> 5u) * 20u;
  let j = i & 31u;
  let q = (byte_at(block + 4u + (j & 15u)) >> ((j >> 4u) * 4u)) & 15u;
  return half_at(block) * f32(q) + half_at(block + 2u);
}

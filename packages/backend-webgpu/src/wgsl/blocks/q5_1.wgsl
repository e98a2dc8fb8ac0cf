// q5_1: 32 elements in 24 bytes, the fifth bits apart; element = d * q + m. See core/src/quant/q5_1.ts.

fn block_element(i: u32) -> f32 {
  let block = (i >> 5u) * 24u;
  let j = i & 31u;
  let low = (byte_at(block + 8u + (j & 15u)) >> ((j >> 4u) * 4u)) & 15u;
  let fifth = (byte_at(block + 4u + (j >> 3u)) >> (j & 7u)) & 1u;
  let q = low | (fifth << 4u);
  return half_at(block) * f32(q) + half_at(block + 2u);
}

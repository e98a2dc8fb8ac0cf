// q5_0: 32 elements in 22 bytes, the fifth bits apart; element = d * (q - 16). See core/src/quant/q5_0.ts.

fn block_element(i: u32) -> f32 {
  let block = (i >> 5u) * 22u;
  let j = i & 31u;
  let low = (byte_at(block + 6u + (j & 15u)) >> ((j >> 4u) * 4u)) & 15u;
  let fifth = (byte_at(block + 2u + (j >> 3u)) >> (j & 7u)) & 1u;
  let q = low | (fifth << 4u);
  return half_at(block) * (f32(q) - 16.0);
}

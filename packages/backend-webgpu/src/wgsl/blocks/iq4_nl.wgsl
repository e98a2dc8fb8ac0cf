// iq4_nl: 32 elements in 18 bytes; element = d * level(q). See core/src/quant/iq4_nl.ts.

fn block_element(i: u32) -> f32 {
  let block = (i >> 5u) * 18u;
  let j = i & 31u;
  return half_at(block) * level((byte_at(block + 2u + (j & 15u)) >> ((j >> 4u) * 4u)) & 15u);
}

// q6_k: 256 elements in 210 bytes; element = d * scale * (q - 32). See core/src/quant/q6_k.ts.

fn block_element(i: u32) -> f32 {
  let block = (i >> 8u) * 210u;
  let j = i & 255u;
  let half = j >> 7u;
  let run = (j >> 5u) & 3u;
  let low = (byte_at(block + half * 64u + (run & 1u) * 32u + (j & 31u)) >> ((run >> 1u) * 4u)) & 15u;
  let high = (byte_at(block + 128u + half * 32u + (j & 31u)) >> (run * 2u)) & 3u;
  let scale = f32(signed_byte_at(block + 192u + (j >> 4u)));
  return half_at(block + 208u) * scale * (f32(low | (high << 4u)) - 32.0);
}

// q6_k: 256 elements in 210 bytes; element = d * scale * (q - 32). See core/src/quant/q6_k.ts.

const BODY = 52u;
const HEAD_FIRST = false;
const ZERO = 32u;

fn block_scale(i: u32) -> vec2f {
  let group = (i & 255u) >> 4u;
  let scale = bitcast<i32>(byte_of(body(i >> 8u, 48u + (group >> 2u)), group) << 24u) >> 24u;
  return vec2f(head(i >> 8u) * f32(scale), 0.0);
}

fn block_bytes(i: u32) -> u32 {
  let j = i & 255u;
  let half = j >> 7u;
  let run = (j >> 5u) & 3u;
  let word = (j & 31u) >> 2u;
  let low = (body(i >> 8u, half * 16u + (run & 1u) * 8u + word) >> ((run >> 1u) * 4u)) & 0x0f0f0f0fu;
  let high = (body(i >> 8u, 32u + half * 8u + word) >> (run * 2u)) & 0x03030303u;
  return low | (high << 4u);
}

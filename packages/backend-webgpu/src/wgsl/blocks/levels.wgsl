// Elements are what the low four bits of a byte stand for in iq4_nl and iq4_xs, signed bytes from the lowest on: -127, -104,
// -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113. See core/src/quant/iq4_nl.ts.

const LEVELS = vec4u(0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u);

// The level of q in the uppermost byte.
fn level(q: u32) -> u32 {
  return LEVELS[q >> 2u] << (24u - 8u * (q & 3u));
}

fn levels_of(word: u32) -> vec4u {
  return vec4u(level(word & 15u), level((word >> 8u) & 15u), level((word >> 16u) & 15u), level((word >> 24u) & 15u));
}

fn block_quad(i: u32) -> vec4f {
  return vec4f(bitcast<vec4i>(levels_of(block_bytes(i))) >> vec4u(24u));
}

fn block_word(i: u32) -> u32 {
  let bytes = (levels_of(block_bytes(i)) >> vec4u(24u)) << vec4u(0u, 8u, 16u, 24u);
  return bytes.x | bytes.y | bytes.z | bytes.w;
}

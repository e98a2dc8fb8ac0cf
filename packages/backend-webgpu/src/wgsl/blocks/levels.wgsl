// What the sixteen values of q stand for in iq4_nl and iq4_xs, signed bytes from the lowest on: -127, -104, -83, -65, -49,
// -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113. See core/src/quant/iq4_nl.ts.

const LEVELS = vec4u(0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u);

fn level(q: u32) -> f32 {
  return f32(bitcast<i32>(LEVELS[q >> 2u] << (24u - 8u * (q & 3u))) >> 24u);
}

// The levels of the low four bits of each byte.
fn levels_of(word: u32) -> vec4f {
  return vec4f(level(word & 15u), level((word >> 8u) & 15u), level((word >> 16u) & 15u), level((word >> 24u) & 15u));
}

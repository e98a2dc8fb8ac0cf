// What the sixteen values of q stand for in iq4_nl and iq4_xs. See core/src/quant/iq4_nl.ts.

fn level(q: u32) -> f32 {
  var levels = array<f32, 16>(
    -127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0, 89.0, 113.0,
  );
  return levels[q];
}

// The whole number nearest to x * scale, halves away from zero, as GGML's reference rounds.

fn quantise(x: f32, scale: f32) -> i32 {
  let scaled = abs(x * scale);
  let below = trunc(scaled);
  let q = i32(below + f32(scaled - below >= 0.5));
  return select(q, -q, x < 0.0);
}

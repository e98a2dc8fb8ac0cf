fn masked(score: f32, row: Row, s: u32) -> f32 {
  return score;
}

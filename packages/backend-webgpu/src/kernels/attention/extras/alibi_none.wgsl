fn with_alibi(score: f32, row: Row, key_position: i32, query_position: i32) -> f32 {
  return score;
}

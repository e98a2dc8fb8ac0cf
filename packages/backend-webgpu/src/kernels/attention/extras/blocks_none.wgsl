fn block_masked(score: f32, row: Row, s: u32) -> f32 {
  return score;
}

fn all_hidden(batch: u32, head: u32, times: vec2u, first: u32, last: u32) -> bool {
  return false;
}

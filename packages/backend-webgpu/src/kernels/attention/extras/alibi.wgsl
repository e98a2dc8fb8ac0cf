// alibiSlopes [Hkv, G]: slope * (position(s) - p(t)) is added.

@group(0) @binding(ALIBI_AT) var<storage, read> slopes: array<u32>;

fn with_alibi(score: f32, row: Row, key_position: i32, query_position: i32) -> f32 {
  let at = params.slope_at + row.head * params.slope_h + row.group * params.slope_g;
  let slope = widen(bits_in(slopes[word_of(at, ALIBI)], at, ALIBI), ALIBI);
  return score + slope * f32(key_position - query_position);
}

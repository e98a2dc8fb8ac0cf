// The keys that rows see, cut into parts, each a multiple of KEYS; a part's results are words of `out`: the sum of weighed
// values, the maximum, the sum of weights, and 1 for a score seen, 2 for one that spoils the row.

fn part_of(range: vec2u, part: u32) -> vec2u {
  if (!SPLIT) { return range; }
  let step = params.parts * KEYS;
  let share = (range.y - range.x + step - 1u) / step * KEYS;
  let first = min(range.x + part * share, range.y);
  return vec2u(first, min(first + share, range.y));
}

fn part_at(line: u32, part: u32) -> u32 {
  return (line * params.parts + part) * PART_WORDS;
}

// Elements 4c to 4c + 3 of a row's output; for a part of the keys the sum of weighed values as it is.
fn store_chunk(line: u32, part: u32, c: u32, sum: vec4f, share: f32) {
  let at = select(line * DV, part_at(line, part), SPLIT);
  let four = select(sum * share, sum, SPLIT);
  store_four(at, c, bitcast<vec4u>(four));
}

fn store_totals(line: u32, part: u32, seen: bool, maximum: f32, sum: f32, spoilt: bool) {
  if (!SPLIT) {
    store_log_sum(line, log_sum_of(seen, maximum, sum, spoilt));
    return;
  }
  let at = part_at(line, part) + 4u * VALUE_CHUNKS;
  store_state(at, vec4u(bitcast<u32>(maximum), bitcast<u32>(sum), u32(seen) | (u32(spoilt) << 1u), 0u));
}

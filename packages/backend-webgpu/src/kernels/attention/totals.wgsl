// Rows, and what they know of their scores. Rows go by fours, keys too: vectors are over four rows, and a matrix holds
// scores or weights of four keys, a column each.

// What four rows know of the scores so far: whether there was one, their maximum, the sum of e^(score - maximum), and
// whether one of them was NaN or infinity, which makes the row NaN. Before there was one the maximum is the lowest number.
struct Totals {
  seen: vec4<bool>,
  maximum: vec4f,
  sum: vec4f,
  spoilt: vec4<bool>,
}

const LOWEST = -0x1.fffffep+127f;

fn nothing_seen() -> Totals {
  return Totals(vec4<bool>(), vec4f(LOWEST), vec4f(), vec4<bool>());
}

fn row_count() -> u32 {
  return params.groups * params.times;
}

// Row i of all of a head: its groups side by side, time by time. Beyond the last it is the last again.
fn row_of(i: u32, batch: u32, head: u32) -> Row {
  let clamped = min(i, row_count() - 1u);
  return Row(batch, head, clamped % params.groups, clamped / params.groups);
}

// Which row of the output, and of logSumExp.
fn line_of(row: Row) -> u32 {
  return ((row.batch * params.heads + row.head) * params.groups + row.group) * params.times + row.time;
}

// Which of four scores are -infinity, that is hidden, and which are NaN or infinity.
fn are_hidden(scores: vec4f) -> vec4<bool> {
  return bitcast<vec4u>(scores) == vec4u(0xff800000u);
}

fn are_spoilt(scores: vec4f) -> vec4<bool> {
  return (bitcast<vec4u>(scores) & vec4u(0x7fffffffu)) >= vec4u(0x7f800000u);
}

// The factor that turns a row's sum of weighed values into its output.
fn share_of(seen: bool, sum: f32, spoilt: bool) -> f32 {
  if (spoilt) { return nan(); }
  return select(0.0, 1.0 / sum, seen);
}

fn log_sum_of(seen: bool, maximum: f32, sum: f32, spoilt: bool) -> f32 {
  if (spoilt) { return nan(); }
  if (!seen) { return hidden(); }
  return maximum + log_(sum);
}

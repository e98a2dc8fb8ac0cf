// A workgroup attends with four rows to a part of the keys, KEYS at a time, for calls of few rows, which wait for memory.
// Keys and values are read where they lie, by neighbours side by side and once for the four rows: an invocation has one
// four (or chunk) c of every line, and each SLOTS-th line. Only products and weights go through workgroup memory.

const INVOCATIONS = 64u;
const SLOTS = INVOCATIONS / ACROSS;
const EACH = 8u;
const KEYS = EACH * SLOTS;
const PITCH = ACROSS + 1u;

var<workgroup> products_here: array<vec4f, KEYS * PITCH>;
var<workgroup> scores_here: array<vec4f, KEYS>;
var<workgroup> weights_here: array<vec4f, KEYS>;
var<workgroup> outputs_here: array<mat4x4f, INVOCATIONS>;

fn load_query(rows: Rows, c: u32) -> mat4x4f {
  if (c >= CHUNKS) { return mat4x4f(); }
  return mat4x4f(query_chunk(rows.a, c), query_chunk(rows.b, c), query_chunk(rows.c, c), query_chunk(rows.d, c));
}

// The score of key `first + lane` from the products with its fours.
fn score_key(rows: Rows, first: u32, end: u32, lane: u32) -> vec4f {
  var sum = vec4f();
  for (var c = 0u; c < ACROSS; c++) { sum += products_here[lane * PITCH + c]; }
  return ruled_key(sum, rows, first + lane, end);
}

fn by_rows(value: vec4f, weights: vec4f) -> mat4x4f {
  return mat4x4f(value * weights.x, value * weights.y, value * weights.z, value * weights.w);
}

// A value that is NaN or infinity only rows take that it is not hidden from: -0 times does not let it go.
fn by_rows_that_see(value: vec4f, weights: vec4f) -> mat4x4f {
  let hides = are_nothing(weights);
  return mat4x4f(
    select(value * weights.x, vec4f(), hides.x),
    select(value * weights.y, vec4f(), hides.y),
    select(value * weights.z, vec4f(), hides.z),
    select(value * weights.w, vec4f(), hides.w),
  );
}

fn sum_of_scores_here() -> vec4f {
  var sum = vec4f();
  for (var k = 0u; k < KEYS; k++) { sum += scores_here[k]; }
  return sum;
}

// What those that had a key say together.
fn tell_and_sum(lane: u32, x: vec4f) -> vec4f {
  workgroupBarrier();
  if (lane < KEYS) { scores_here[lane] = x; }
  workgroupBarrier();
  return sum_of_scores_here();
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let batch = group.z;
  let head = group.y;
  let fours = (row_count() + 3u) / 4u;
  let first_row = group.x % fours * 4u;
  let part = group.x / fours;
  let c = lane % ACROSS;
  let slot = lane / ACROSS;
  let key_chunk = min(c, CHUNKS - 1u);
  let value_chunk = min(c, VALUE_CHUNKS - 1u);
  let rows = rows_from(first_row, batch, head);
  let query = load_query(rows, c);
  var output = mat4x4f();
  var totals = nothing_seen();
  if (part == 0u) { totals = first_totals(rows); }
  if (lane != 0u) { totals = Totals(vec4<bool>(), totals.maximum, vec4f(), vec4<bool>()); }

  let span = span_of(first_row, first_row + 3u, batch, head);
  let range = part_of(span.keys, part);
  let end = range.y;

  for (var first = range.x; first < end; first += KEYS) {
    if (is_unseen(span, batch, head, first, end)) { continue; }
    for (var k = slot; k < KEYS; k += SLOTS) {
      let at = key_line(batch, head, min(first + k, end - 1u));
      products_here[k * PITCH + c] = keys_at(at, key_chunk) * query;
    }
    workgroupBarrier();
    var score = vec4f(hidden());
    if (lane < KEYS) {
      score = score_key(rows, first, end, lane);
      scores_here[lane] = score;
    }
    workgroupBarrier();
    let before = totals.maximum;
    take_key(&totals, score);
    for (var k = 0u; k < KEYS; k++) {
      totals.maximum = max(totals.maximum, select(scores_here[k], vec4f(LOWEST), are_hidden(scores_here[k])));
    }
    let shrink = exp_below_zero(before - totals.maximum);
    var weight = weight_of(score, totals.maximum);
    totals.sum = totals.sum * shrink + weight;
    if (DROPOUT) { weight = dropped_key(weight, rows, first + lane); }
    if (lane < KEYS) { weights_here[lane] = weight; }
    workgroupBarrier();
    output = scaled_columns(output, shrink);
    for (var k = slot; k < KEYS; k += SLOTS) {
      let value = values_at(value_line(batch, head, min(first + k, end - 1u)), value_chunk);
      let weights = weights_here[k];
      if (are_finite(value)) { output += by_rows(value, weights); }
      else { output += by_rows_that_see(value, weights); }
    }
  }

  let sum = tell_and_sum(lane, totals.sum);
  let seen = tell_and_sum(lane, select(vec4f(), vec4f(1.0), totals.seen)) != vec4f();
  let spoilt = tell_and_sum(lane, select(vec4f(), vec4f(1.0), totals.spoilt)) != vec4f();
  outputs_here[lane] = output;
  workgroupBarrier();
  if (slot != 0u) { return; }
  for (var other = 1u; other < SLOTS; other++) { output += outputs_here[other * ACROSS + c]; }
  for (var r = 0u; r < 4u && first_row + r < row_count(); r++) {
    let line = line_of(row_of(first_row + r, batch, head));
    let share = share_of(seen[r], sum[r], spoilt[r]);
    if (c < VALUE_CHUNKS) { store_chunk(line, part, c, output[r], share); }
    if (c == 0u) { store_totals(line, part, seen[r], totals.maximum[r], sum[r], spoilt[r]); }
  }
}

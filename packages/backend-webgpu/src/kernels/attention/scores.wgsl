// What happens to a score between the product and the softmax, and which keys a row must look at.

// Four rows, the positions of their queries, and the first and last positions that they see.
struct Rows {
  a: Row,
  b: Row,
  c: Row,
  d: Row,
  places: vec4i,
  earliest: vec4i,
  latest: vec4i,
}

fn rows_from(i: u32, batch: u32, head: u32) -> Rows {
  let a = row_of(i, batch, head);
  let b = row_of(i + 1u, batch, head);
  let c = row_of(i + 2u, batch, head);
  let d = row_of(i + 3u, batch, head);
  let places = vec4i(
    query_position(batch, a.time),
    query_position(batch, b.time),
    query_position(batch, c.time),
    query_position(batch, d.time),
  );
  let earliest = vec4i(first_seen(places.x), first_seen(places.y), first_seen(places.z), first_seen(places.w));
  let latest = vec4i(last_seen(places.x), last_seen(places.y), last_seen(places.z), last_seen(places.w));
  return Rows(a, b, c, d, places, earliest, latest);
}

// The totals that four rows begin with: those of their sinks.
fn first_totals(rows: Rows) -> Totals {
  let sinks = vec4f(sink_of(rows.a), sink_of(rows.b), sink_of(rows.c), sink_of(rows.d));
  let seen = !are_hidden(sinks);
  return Totals(seen, select(vec4f(LOWEST), sinks, seen), select(vec4f(), vec4f(1.0), seen), are_spoilt(sinks) & seen);
}

fn query_position(batch: u32, time: u32) -> i32 {
  if (OFFSET_BY_LENGTH) { return key_length(batch) - i32(params.times - time); }
  return i32(time) + params.offset;
}

// The first and last positions that the query at `place` sees: lengths and positions may be any i32, and sums of them
// stop at the ends.
fn first_seen(place: i32) -> i32 {
  if (params.left == ENDLESS) { return -ENDLESS - 1; }
  return place - min(params.left, ENDLESS + min(place, 0));
}

fn last_seen(place: i32) -> i32 {
  if (params.right == ENDLESS) { return ENDLESS; }
  return place + min(params.right, ENDLESS - max(place, 0));
}

// Where the line of key s begins, and that of its value.
fn key_line(batch: u32, head: u32, s: u32) -> u32 {
  let slot = slot_of(batch, s);
  return params.key_at + slot.x * params.key_b + head * params.key_h + slot.y * params.key_s;
}

fn value_line(batch: u32, head: u32, s: u32) -> u32 {
  let slot = slot_of(batch, s);
  return params.value_at + slot.x * params.value_b + head * params.value_h + slot.y * params.value_s;
}

// Neighbouring rows and what they may see: their times, the positions that the first and the last of them see from x to
// y, and keys from x to y. It begins at a multiple of KEYS. Where keys do not stand in order it is all there are.
struct Span {
  times: vec2u,
  seen_by_first: vec2i,
  seen_by_last: vec2i,
  keys: vec2u,
}

fn span_of(first_row: u32, last_row: u32, batch: u32, head: u32) -> Span {
  let times = vec2u(row_of(first_row, batch, head).time, row_of(last_row, batch, head).time);
  let place = query_position(batch, times.x);
  let last_place = query_position(batch, times.y);
  let seen_by_first = vec2i(first_seen(place), last_seen(place));
  let seen_by_last = vec2i(first_seen(last_place), last_seen(last_place));
  let length = clamp(key_length(batch), 0, i32(params.keys));
  if (!KEYS_IN_ORDER) { return Span(times, seen_by_first, seen_by_last, vec2u(0u, u32(length))); }
  let end = clamp(seen_by_last.y, -1, length - 1) + 1;
  let start = select(clamp(seen_by_first.x, 0, end), 0, params.sink_tokens > 0);
  return Span(times, seen_by_first, seen_by_last, vec2u(u32(start) / KEYS * KEYS, u32(end)));
}

// Whether none of these rows may see any of the next KEYS keys, which end before `end`.
fn is_unseen(span: Span, batch: u32, head: u32, first: u32, end: u32) -> bool {
  let last = min(first + KEYS, end) - 1u;
  let early = KEYS_IN_ORDER && i32(last) < span.seen_by_first.x && i32(first) >= params.sink_tokens;
  return early || all_hidden(batch, head, span.times, first, last);
}

// Whether all of these rows see all of the next KEYS keys, and their scores count as they are.
fn is_plain(span: Span, first: u32, end: u32) -> bool {
  return KEYS_IN_ORDER && !SOFTCAP && !CHANGES && first + KEYS <= end && i32(first) >= span.seen_by_last.x &&
    i32(first + KEYS - 1u) <= span.seen_by_first.y;
}

// Without branches; around 0 a polynomial, since 1 - e^-2x would cancel (Cephes tanhf).
fn tanh_four(x: vec4f) -> vec4f {
  let magnitude = abs(x);
  let e = exp_below_zero(-2.0 * magnitude);
  let far = bitcast<vec4f>(bitcast<vec4u>((1.0 - e) / (1.0 + e)) | (bitcast<vec4u>(x) & vec4u(0x80000000u)));
  let z = x * x;
  var p = z * -5.70498872745e-3 + 2.06390887954e-2;
  p = p * z - 5.37397155531e-2;
  p = p * z + 1.33314422036e-1;
  p = p * z - 3.33332819422e-1;
  return select(far, p * z * x + x, magnitude < vec4f(0.625));
}

fn are_nan(scores: vec4f) -> vec4<bool> {
  return (bitcast<vec4u>(scores) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
}

// What the operands that a call has do to the score of a row with key s, in their order.
fn changed(score: f32, row: Row, query_place: i32, key_place: i32, s: u32) -> f32 {
  return block_masked(masked(with_alibi(score, row, key_place, query_place), row, s), row, s);
}

// The scores of four rows with key s, or with four keys, given the products; keys from `end` on are hidden.
fn ruled_key(products: vec4f, rows: Rows, s: u32, end: u32) -> vec4f {
  let inside = min(s, end - 1u);
  let place = key_position(inside);
  var scores = products;
  if (SOFTCAP) {
    scores = select(params.softcap * tanh_four(scores / params.softcap), scores, are_nan(scores));
  }
  if (CHANGES) {
    scores = vec4f(
      changed(scores.x, rows.a, rows.places.x, place, inside),
      changed(scores.y, rows.b, rows.places.y, place, inside),
      changed(scores.z, rows.c, rows.places.z, place, inside),
      changed(scores.w, rows.d, rows.places.w, place, inside),
    );
  }
  let late = vec4i(place) > rows.latest;
  let early = (vec4i(place) < rows.earliest) & vec4<bool>(place >= params.sink_tokens);
  return select(scores, vec4f(hidden()), late | early | vec4<bool>(s >= end));
}

fn ruled_keys(products: mat4x4f, rows: Rows, keys: vec4u, end: u32) -> mat4x4f {
  return mat4x4f(
    ruled_key(products[0], rows, keys.x, end),
    ruled_key(products[1], rows, keys.y, end),
    ruled_key(products[2], rows, keys.z, end),
    ruled_key(products[3], rows, keys.w, end),
  );
}

// A hidden score's weight is -0, which no other weight is.
fn weights_of(scores: mat4x4f, maximum: vec4f) -> mat4x4f {
  return mat4x4f(
    weight_of(scores[0], maximum),
    weight_of(scores[1], maximum),
    weight_of(scores[2], maximum),
    weight_of(scores[3], maximum),
  );
}

fn weight_of(scores: vec4f, maximum: vec4f) -> vec4f {
  return select(exp_below_zero(scores - maximum), bitcast<vec4f>(vec4u(0x80000000u)), are_hidden(scores));
}

fn are_nothing(weights: vec4f) -> vec4<bool> {
  return bitcast<vec4u>(weights) == vec4u(0x80000000u);
}

fn dropped_key(weights: vec4f, rows: Rows, s: u32) -> vec4f {
  let dropped = vec4f(
    dropped_out(weights.x, rows.a, s),
    dropped_out(weights.y, rows.b, s),
    dropped_out(weights.z, rows.c, s),
    dropped_out(weights.w, rows.d, s),
  );
  return select(dropped, weights, are_nothing(weights));
}

fn dropped_keys(weights: mat4x4f, rows: Rows, keys: vec4u) -> mat4x4f {
  return mat4x4f(
    dropped_key(weights[0], rows, keys.x),
    dropped_key(weights[1], rows, keys.y),
    dropped_key(weights[2], rows, keys.z),
    dropped_key(weights[3], rows, keys.w),
  );
}

fn are_finite(values: vec4f) -> bool {
  return all((bitcast<vec4u>(values) & vec4u(0x7f800000u)) < vec4u(0x7f800000u));
}

fn all_finite(m: mat4x4f) -> bool {
  let largest = max(max(magnitudes(m[0]), magnitudes(m[1])), max(magnitudes(m[2]), magnitudes(m[3])));
  return all(largest < vec4u(0x7f800000u));
}

fn magnitudes(x: vec4f) -> vec4u {
  return bitcast<vec4u>(x) & vec4u(0x7fffffffu);
}

// `values * weights` where a value is NaN or infinite, which -0 times does not let go: a row takes none that is hidden
// from it. A column of the values is a key's, one of the weights a row's.
fn product_of_seen(values: mat4x4f, weights: mat4x4f) -> mat4x4f {
  return mat4x4f(
    sum_of_seen(values, weights[0]),
    sum_of_seen(values, weights[1]),
    sum_of_seen(values, weights[2]),
    sum_of_seen(values, weights[3]),
  );
}

fn sum_of_seen(values: mat4x4f, weights: vec4f) -> vec4f {
  let hides = are_nothing(weights);
  return (select(values[0] * weights.x, vec4f(), hides.x) + select(values[1] * weights.y, vec4f(), hides.y)) +
    (select(values[2] * weights.z, vec4f(), hides.z) + select(values[3] * weights.w, vec4f(), hides.w));
}

// Takes scores into what is known: the maximum alone, and no sum yet.
fn with_scores(totals: Totals, scores: mat4x4f) -> Totals {
  var next = totals;
  take_key(&next, scores[0]);
  take_key(&next, scores[1]);
  take_key(&next, scores[2]);
  take_key(&next, scores[3]);
  return next;
}

fn take_key(totals: ptr<function, Totals>, scores: vec4f) {
  let hides = are_hidden(scores);
  (*totals).seen = (*totals).seen | !hides;
  (*totals).spoilt = (*totals).spoilt | (are_spoilt(scores) & !hides);
  (*totals).maximum = max((*totals).maximum, select(scores, vec4f(LOWEST), hides));
}

fn scaled_columns(m: mat4x4f, factors: vec4f) -> mat4x4f {
  return mat4x4f(m[0] * factors.x, m[1] * factors.y, m[2] * factors.z, m[3] * factors.w);
}

fn sum_of_columns(m: mat4x4f) -> vec4f {
  return (m[0] + m[1]) + (m[2] + m[3]);
}

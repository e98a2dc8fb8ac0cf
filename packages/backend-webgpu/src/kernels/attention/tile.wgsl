// A workgroup attends with 8 rows: neighbouring times, all heads of the group together, so that each block of keys and
// values is read once for them. Blocks of KEYS keys go through workgroup memory, where values follow keys in the same
// place. 8 invocations share a row: each holds every eighth element of its output, and all know its maximum and its sum.

const ROWS = 8u;
const LANES = 64u;
const SHARES = 8u;

var<workgroup> query_tile: array<f32, ROWS * D>;
var<workgroup> lines: array<f32, KEYS * WIDEST>;
var<workgroup> weights: array<f32, ROWS * KEYS>;

// What a row knows of the scores so far: their maximum, the sum of e^(score - maximum), and whether one of them was NaN or
// infinity, which makes the row NaN.
struct Total {
  seen: bool,
  maximum: f32,
  sum: f32,
  spoilt: bool,
}

fn row_count() -> u32 {
  return params.groups * params.times;
}

// Row i of all of a head; beyond the last it is the last again, whose results are not stored.
fn row_of(i: u32, batch: u32, head: u32) -> Row {
  let clamped = min(i, row_count() - 1u);
  return Row(batch, head, clamped % params.groups, clamped / params.groups);
}

fn query_position(batch: u32, time: u32) -> i32 {
  if (OFFSET_BY_LENGTH) { return i32(time) + key_length(batch) - i32(params.times); }
  return i32(time) + params.offset;
}

fn load_queries(first: u32, batch: u32, head: u32, lane: u32) {
  for (var e = lane; e < ROWS * D; e += LANES) {
    let row = row_of(first + e / D, batch, head);
    let at = params.query_at + row.batch * params.query_b + row.head * params.query_h + row.group * params.query_g +
      row.time * params.query_t + (e % D) * params.query_d;
    query_tile[e] = query_at(at) * params.scale;
  }
}

fn load_keys(batch: u32, head: u32, first: u32, count: u32, lane: u32) {
  for (var e = lane; e < count * D; e += LANES) {
    let slot = slot_of(batch, first + e / D);
    lines[e] = key_at(params.key_at + slot.x * params.key_b + head * params.key_h + slot.y * params.key_s +
      (e % D) * params.key_d);
  }
}

fn load_values(batch: u32, head: u32, first: u32, count: u32, lane: u32) {
  for (var e = lane; e < count * DV; e += LANES) {
    let slot = slot_of(batch, first + e / DV);
    lines[e] = value_at(params.value_at + slot.x * params.value_b + head * params.value_h + slot.y * params.value_s +
      (e % DV) * params.value_d);
  }
}

// The score of row r of the tile with key s, which is line k: everything that changes it, in its order.
fn score_of(r: u32, row: Row, k: u32, s: u32) -> f32 {
  let key_place = key_position(s);
  let query_place = query_position(row.batch, row.time);
  let late = key_place > query_place + params.right;
  let early = key_place < query_place - params.left && key_place >= params.sink_tokens;
  if (late || early) { return hidden(); }
  var score = 0.0;
  for (var d = 0u; d < D; d++) { score += query_tile[r * D + d] * lines[k * D + d]; }
  if (params.softcap != 0.0 && !is_nan(score)) { score = params.softcap * tanh_(score / params.softcap); }
  score = masked(with_alibi(score, row, key_place, query_place), row, s);
  return block_masked(score, row, s);
}

fn score_block(tile: u32, batch: u32, head: u32, first: u32, count: u32, lane: u32) {
  for (var e = lane; e < ROWS * count; e += LANES) {
    let r = e / count;
    let k = e % count;
    weights[r * KEYS + k] = score_of(r, row_of(tile + r, batch, head), k, first + k);
  }
}

// Takes a block's scores into what is known: the new maximum, and no sum yet.
fn take_scores(total: Total, r: u32, count: u32) -> Total {
  var next = total;
  for (var k = 0u; k < count; k++) {
    let score = weights[r * KEYS + k];
    if (is_hidden(score)) { continue; }
    if (is_nan(score) || is_infinite(score)) { next.spoilt = true; }
    else if (!next.seen || score > next.maximum) { next.maximum = score; }
    next.seen = true;
  }
  return next;
}

// Turns the scores of a row into weights, each invocation every eighth; a hidden one becomes -0, which no weight is.
fn weigh(total: Total, r: u32, share: u32, count: u32) {
  for (var k = share; k < count; k += SHARES) {
    let score = weights[r * KEYS + k];
    var weight = exp_(score - total.maximum);
    if (is_hidden(score)) { weight = bitcast<f32>(0x80000000u); }
    weights[r * KEYS + k] = weight;
  }
}

fn is_nothing(weight: f32) -> bool {
  return bitcast<u32>(weight) == 0x80000000u;
}

fn sum_of_weights(r: u32, count: u32) -> f32 {
  var sum = 0.0;
  for (var k = 0u; k < count; k++) { sum += weights[r * KEYS + k]; }
  return sum;
}

fn drop_weights(row: Row, r: u32, share: u32, first: u32, count: u32) {
  for (var k = share; k < count; k += SHARES) {
    let weight = weights[r * KEYS + k];
    if (!is_nothing(weight)) { weights[r * KEYS + k] = dropped_out(weight, row, first + k); }
  }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let batch = group.z;
  let head = group.y;
  let tile = group.x * ROWS;
  let r = lane / SHARES;
  let share = lane % SHARES;
  let row = row_of(tile + r, batch, head);
  load_queries(tile, batch, head, lane);

  var total = Total(false, 0.0, 0.0, false);
  let sink = sink_of(row);
  if (!is_hidden(sink)) { total = Total(true, sink, 1.0, is_nan(sink) || is_infinite(sink)); }
  var output: array<f32, SHARE_OF_DV>;

  // What some row of the tile may see, where keys stand in order.
  let earliest = query_position(batch, tile / params.groups);
  let latest = query_position(batch, (min(tile + ROWS, row_count()) - 1u) / params.groups);
  var end = clamp(key_length(batch), 0, i32(params.keys));
  if (KEYS_IN_ORDER) { end = clamp(latest + params.right + 1, 0, end); }

  for (var first = 0u; first < u32(end); first += KEYS) {
    let count = min(KEYS, u32(end) - first);
    let unseen = i32(first + count) <= earliest - params.left && i32(first) >= params.sink_tokens;
    if (KEYS_IN_ORDER && unseen) { continue; }
    load_keys(batch, head, first, count, lane);
    workgroupBarrier();
    score_block(tile, batch, head, first, count, lane);
    workgroupBarrier();
    let before = total;
    total = take_scores(before, r, count);
    workgroupBarrier();
    weigh(total, r, share, count);
    load_values(batch, head, first, count, lane);
    workgroupBarrier();
    var shrink = 0.0;
    if (before.seen) { shrink = exp_(before.maximum - total.maximum); }
    total.sum = before.sum * shrink + sum_of_weights(r, count);
    if (DROPOUT) {
      workgroupBarrier();
      drop_weights(row, r, share, first, count);
      workgroupBarrier();
    }
    for (var c = 0u; c < SHARE_OF_DV; c++) {
      let d = min(share + SHARES * c, DV - 1u);
      var sum = output[c] * shrink;
      for (var k = 0u; k < count; k++) {
        let weight = weights[r * KEYS + k];
        if (!is_nothing(weight)) { sum += weight * lines[k * DV + d]; }
      }
      output[c] = sum;
    }
    workgroupBarrier();
  }

  if (tile + r >= row_count()) { return; }
  let line = ((batch * params.heads + head) * params.groups + row.group) * params.times + row.time;
  for (var c = 0u; c < SHARE_OF_DV; c++) {
    let d = share + SHARES * c;
    var value = 0.0;
    if (total.seen) { value = output[c] / total.sum; }
    if (total.spoilt) { value = nan(); }
    if (d < DV) { out[line * DV + d] = bitcast<u32>(value); }
  }
  if (share == 0u) {
    var log_sum = hidden();
    if (total.seen) { log_sum = total.maximum + log_(total.sum); }
    if (total.spoilt) { log_sum = nan(); }
    store_log_sum(line, log_sum);
  }
}

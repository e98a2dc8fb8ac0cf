// A workgroup attends with 32 rows to 32 keys at a time: 8 x 8 invocations, each with four rows and four keys, that is four
// rows and every eighth four of the output. Queries, keys and values go through workgroup memory, SLICE fours of a line at
// a time; keys and values take turns in one place. All invocations of a row know its maximum; sums they add up at the end.
// Lines are one four longer than they need be, so that neighbours find theirs in different banks.

const KEYS = 32u;
const ROWS = 32u;
const INVOCATIONS = 64u;
const PITCH = SLICE + 1u;
const KEY_SLICES = (CHUNKS + SLICE - 1u) / SLICE;
const VALUE_SLICES = (VALUE_CHUNKS + SLICE - 1u) / SLICE;
const SHARE = (SLICE + 7u) / 8u;
const EVERY_EIGHTH = vec4u(0u, 8u, 16u, 24u);

var<workgroup> queries_here: array<vec4f, ROWS * PITCH>;
var<workgroup> lines_here: array<vec4f, KEYS * PITCH>;
var<workgroup> weights_here: array<vec4f, 8u * (KEYS + 1u)>;
var<workgroup> told: array<vec4f, INVOCATIONS>;
var<workgroup> last_not_finite: atomic<u32>; // the turn in which a value was NaN or infinity

// Row i of the tile lies at place i % 4 * 8 + i / 4: the first rows of all fours side by side, then the second, …
fn load_queries(tile: u32, batch: u32, head: u32, slice: u32, lane: u32) {
  for (var e = lane; e < ROWS * SLICE; e += INVOCATIONS) {
    let place = e / SLICE;
    let row = row_of(tile + place % 8u * 4u + place / 8u, batch, head);
    queries_here[place * PITCH + e % SLICE] = query_chunk(row, slice * SLICE + e % SLICE);
  }
}

fn load_keys(batch: u32, head: u32, first: u32, last: u32, slice: u32, lane: u32) {
  for (var e = lane; e < KEYS * SLICE; e += INVOCATIONS) {
    let c = slice * SLICE + e % SLICE;
    var four = vec4f();
    if (c < CHUNKS) { four = keys_at(key_line(batch, head, min(first + e / SLICE, last)), c); }
    lines_here[e / SLICE * PITCH + e % SLICE] = four;
  }
}

fn load_values(batch: u32, head: u32, first: u32, last: u32, slice: u32, lane: u32, turn: u32) {
  for (var e = lane; e < KEYS * SLICE; e += INVOCATIONS) {
    let c = slice * SLICE + e % SLICE;
    var four = vec4f();
    if (c < VALUE_CHUNKS) { four = values_at(value_line(batch, head, min(first + e / SLICE, last)), c); }
    if (!are_finite(four)) { atomicStore(&last_not_finite, turn); }
    lines_here[e / SLICE * PITCH + e % SLICE] = four;
  }
}

// Four lines of a tile, `apart` from each other, at one place of each.
fn queries_by_row(y: u32, c: u32) -> mat4x4f {
  let at = y * PITCH + c;
  return mat4x4f(
    queries_here[at],
    queries_here[at + 8u * PITCH],
    queries_here[at + 16u * PITCH],
    queries_here[at + 24u * PITCH],
  );
}

fn lines_from(line: u32, apart: u32, c: u32) -> mat4x4f {
  let at = line * PITCH + c;
  let step = apart * PITCH;
  return mat4x4f(lines_here[at], lines_here[at + step], lines_here[at + 2u * step], lines_here[at + 3u * step]);
}

fn weights_from(y: u32, key: u32) -> mat4x4f {
  let at = y * (KEYS + 1u) + key;
  return mat4x4f(weights_here[at], weights_here[at + 1u], weights_here[at + 2u], weights_here[at + 3u]);
}

fn store_weights(y: u32, x: u32, weights: mat4x4f) {
  let at = y * (KEYS + 1u) + x;
  weights_here[at] = weights[0];
  weights_here[at + 8u] = weights[1];
  weights_here[at + 16u] = weights[2];
  weights_here[at + 24u] = weights[3];
}

fn largest_told(y: u32) -> vec4f {
  var largest = told[y * 8u];
  for (var x = 1u; x < 8u; x++) { largest = max(largest, told[y * 8u + x]); }
  return largest;
}

fn sum_told(y: u32) -> vec4f {
  var sum = told[y * 8u];
  for (var x = 1u; x < 8u; x++) { sum += told[y * 8u + x]; }
  return sum;
}

// What all eight invocations of four rows say together.
fn tell_and_sum(lane: u32, x: vec4f) -> vec4f {
  workgroupBarrier();
  told[lane] = x;
  workgroupBarrier();
  return sum_told(lane / 8u);
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let batch = group.z;
  let head = group.y;
  let tiles = (row_count() + ROWS - 1u) / ROWS;
  let tile = group.x % tiles * ROWS;
  let part = group.x / tiles;
  let y = lane / 8u;
  let x = lane % 8u;
  let rows = rows_from(tile + 4u * y, batch, head);
  var output: array<mat4x4f, SHARE * VALUE_SLICES>;
  var totals = nothing_seen();
  if (part == 0u) { totals = first_totals(rows); }
  if (x != 0u) { totals = Totals(vec4<bool>(), totals.maximum, vec4f(), vec4<bool>()); }

  let span = span_of(tile, tile + ROWS - 1u, batch, head);
  let range = part_of(span.keys, part);
  let end = range.y;
  var turn = 0u;
  if (KEY_SLICES == 1u) { load_queries(tile, batch, head, 0u, lane); }

  for (var first = range.x; first < end; first += KEYS) {
    if (is_unseen(span, batch, head, first, end)) { continue; }
    let mine = vec4u(first + x) + EVERY_EIGHTH;
    var scores = mat4x4f();
    for (var slice = 0u; slice < KEY_SLICES; slice++) {
      workgroupBarrier();
      if (KEY_SLICES > 1u) { load_queries(tile, batch, head, slice, lane); }
      load_keys(batch, head, first, end - 1u, slice, lane);
      workgroupBarrier();
      for (var c = 0u; c < SLICE; c++) { scores += transpose(queries_by_row(y, c)) * lines_from(x, 8u, c); }
    }
    let plain = is_plain(span, first, end);
    if (!plain) { scores = ruled_keys(scores, rows, mine, end); }
    let before = totals.maximum;
    totals = with_scores(totals, scores);
    told[lane] = totals.maximum;
    workgroupBarrier();
    totals.maximum = largest_told(y);
    let shrink = exp_below_zero(before - totals.maximum);
    var weights = weights_of(scores, totals.maximum);
    totals.sum = totals.sum * shrink + sum_of_columns(weights);
    if (DROPOUT) { weights = dropped_keys(weights, rows, mine); }
    store_weights(y, x, weights);
    for (var c = 0u; c < SHARE * VALUE_SLICES; c++) { output[c] = scaled_columns(output[c], shrink); }
    for (var slice = 0u; slice < VALUE_SLICES; slice++) {
      workgroupBarrier();
      turn++;
      load_values(batch, head, first, end - 1u, slice, lane, turn);
      workgroupBarrier();
      let finite = atomicLoad(&last_not_finite) != turn;
      for (var key = 0u; key < KEYS; key += 4u) {
        let by_row = transpose(weights_from(y, key));
        for (var c = 0u; c < SHARE; c++) {
          let values = lines_from(key, 1u, min(x + 8u * c, SLICE - 1u));
          if (finite) { output[slice * SHARE + c] += values * by_row; }
          else { output[slice * SHARE + c] += product_of_seen(values, by_row); }
        }
      }
    }
  }

  let sum = tell_and_sum(lane, totals.sum);
  let seen = tell_and_sum(lane, select(vec4f(), vec4f(1.0), totals.seen)) != vec4f();
  let spoilt = tell_and_sum(lane, select(vec4f(), vec4f(1.0), totals.spoilt)) != vec4f();
  for (var r = 0u; r < 4u && tile + 4u * y + r < row_count(); r++) {
    let line = line_of(row_of(tile + 4u * y + r, batch, head));
    let share = share_of(seen[r], sum[r], spoilt[r]);
    for (var c = 0u; c < SHARE * VALUE_SLICES; c++) {
      let within = x + 8u * (c % SHARE);
      let chunk = c / SHARE * SLICE + within;
      if (within < SLICE && chunk < VALUE_CHUNKS) { store_chunk(line, part, chunk, output[c][r], share); }
    }
    if (x == 0u) { store_totals(line, part, seen[r], totals.maximum[r], sum[r], spoilt[r]); }
  }
}

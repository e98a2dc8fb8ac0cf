// An invocation attends with four rows to all keys, or to one part of them, and nothing that it waits for: no barrier.
// Neighbours have rows of one head, so all read the same keys at the same time. What is indexed by c is in workgroup
// memory, each invocation's for itself: in registers LLVM pipe takes 18 s to compile it at D = 64, and minutes at 128,
// instead of 1.5, and the result is no faster.

const KEYS = 8u;
const NEXT_FOUR = vec4u(0u, 1u, 2u, 3u);

var<workgroup> query_here: array<mat4x4f, LANES * CHUNKS>;
var<workgroup> output_here: array<mat4x4f, LANES * VALUE_CHUNKS>;

fn key_tile(at: array<u32, 4>, c: u32) -> mat4x4f {
  return mat4x4f(keys_at(at[0], c), keys_at(at[1], c), keys_at(at[2], c), keys_at(at[3], c));
}

fn value_tile(at: array<u32, 4>, c: u32) -> mat4x4f {
  return mat4x4f(values_at(at[0], c), values_at(at[1], c), values_at(at[2], c), values_at(at[3], c));
}

fn key_lines(batch: u32, head: u32, s: u32, last: u32) -> array<u32, 4> {
  return array<u32, 4>(
    key_line(batch, head, min(s, last)),
    key_line(batch, head, min(s + 1u, last)),
    key_line(batch, head, min(s + 2u, last)),
    key_line(batch, head, min(s + 3u, last)),
  );
}

fn value_lines(batch: u32, head: u32, s: u32, last: u32) -> array<u32, 4> {
  return array<u32, 4>(
    value_line(batch, head, min(s, last)),
    value_line(batch, head, min(s + 1u, last)),
    value_line(batch, head, min(s + 2u, last)),
    value_line(batch, head, min(s + 3u, last)),
  );
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let batch = group.z;
  let head = group.y;
  let fours = (row_count() + 3u) / 4u;
  let i = group.x * LANES + lane;
  let first_row = 4u * select(i, i % fours, SPLIT);
  let part = select(0u, i / fours, SPLIT);
  let rows = rows_from(first_row, batch, head);

  // Elements by rows: a column for each of the four.
  let own_query = lane * CHUNKS;
  let own_output = lane * VALUE_CHUNKS;
  for (var c = 0u; c < CHUNKS; c++) {
    query_here[own_query + c] =
      mat4x4f(query_chunk(rows.a, c), query_chunk(rows.b, c), query_chunk(rows.c, c), query_chunk(rows.d, c));
  }
  var totals = nothing_seen();
  if (part == 0u) { totals = first_totals(rows); }

  let first_of_all = select(group.x * LANES * 4u, 0u, SPLIT);
  let last_of_all = select((group.x + 1u) * LANES * 4u, row_count(), SPLIT) - 1u;
  let span = span_of(first_of_all, last_of_all, batch, head);
  let range = part_of(span.keys, part);
  let end = range.y;

  for (var first = range.x; first < end; first += KEYS) {
    if (is_unseen(span, batch, head, first, end)) { continue; }
    let last = end - 1u;
    let keys_a = key_lines(batch, head, first, last);
    let keys_b = key_lines(batch, head, first + 4u, last);
    var a = mat4x4f();
    var b = mat4x4f();
    for (var c = 0u; c < CHUNKS; c++) {
      let by_element = transpose(query_here[own_query + c]);
      a += by_element * key_tile(keys_a, c);
      b += by_element * key_tile(keys_b, c);
    }
    let plain = is_plain(span, first, end);
    if (!plain) {
      a = ruled_keys(a, rows, vec4u(first) + NEXT_FOUR, end);
      b = ruled_keys(b, rows, vec4u(first + 4u) + NEXT_FOUR, end);
    }
    let before = totals.maximum;
    totals = with_scores(with_scores(totals, a), b);
    let shrink = exp_below_zero(before - totals.maximum);
    a = weights_of(a, totals.maximum);
    b = weights_of(b, totals.maximum);
    totals.sum = totals.sum * shrink + (sum_of_columns(a) + sum_of_columns(b));
    if (DROPOUT) {
      a = dropped_keys(a, rows, vec4u(first) + NEXT_FOUR);
      b = dropped_keys(b, rows, vec4u(first + 4u) + NEXT_FOUR);
    }
    let weights_a = transpose(a);
    let weights_b = transpose(b);
    let values_a = value_lines(batch, head, first, last);
    let values_b = value_lines(batch, head, first + 4u, last);
    for (var c = 0u; c < VALUE_CHUNKS; c++) {
      let tile_a = value_tile(values_a, c);
      let tile_b = value_tile(values_b, c);
      var sum = tile_a * weights_a + tile_b * weights_b;
      if (!all_finite(sum)) { sum = product_of_seen(tile_a, weights_a) + product_of_seen(tile_b, weights_b); }
      output_here[own_output + c] = scaled_columns(output_here[own_output + c], shrink) + sum;
    }
  }

  if (SPLIT && part >= params.parts) { return; }
  for (var r = 0u; r < 4u && first_row + r < row_count(); r++) {
    let line = line_of(row_of(first_row + r, batch, head));
    let share = share_of(totals.seen[r], totals.sum[r], totals.spoilt[r]);
    for (var c = 0u; c < VALUE_CHUNKS; c++) { store_chunk(line, part, c, output_here[own_output + c][r], share); }
    store_totals(line, part, totals.seen[r], totals.maximum[r], totals.sum[r], totals.spoilt[r]);
  }
}

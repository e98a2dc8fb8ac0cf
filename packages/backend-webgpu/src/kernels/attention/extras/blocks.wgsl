// blockKinds i32 [B, Hkv, G, ceil(T / n), ceil(S / n)]: 0 hides n x n scores, 1 shows them, k > 1 shows what block k of
// blockTable bool [K, n, n] has true.

@group(0) @binding(KINDS_AT) var<storage, read> kinds: array<i32>;
@group(0) @binding(TABLE_AT) var<storage, read> table: array<u32>;

fn kind_of(row: Row, s: u32) -> i32 {
  let n = params.table_size;
  return kinds[params.kind_at + row.batch * params.kind_b + row.head * params.kind_h + row.group * params.kind_g +
    (row.time / n) * params.kind_t + (s / n) * params.kind_s];
}

fn block_masked(score: f32, row: Row, s: u32) -> f32 {
  let kind = kind_of(row, s);
  if (kind == 1) { return score; }
  if (kind == 0) { return hidden(); }
  let n = params.table_size;
  let at = params.table_at + u32(kind) * params.table_k + (row.time % n) * params.table_r + (s % n) * params.table_c;
  return select(score, hidden(), table[at] == 0u);
}

// Whether keys `first` to `last` are hidden from all heads of the group at all times from x to y.
fn all_hidden(batch: u32, head: u32, times: vec2u, first: u32, last: u32) -> bool {
  let n = params.table_size;
  for (var group = 0u; group < params.groups; group++) {
    for (var time = times.x / n; time <= times.y / n; time++) {
      for (var s = first / n; s <= last / n; s++) {
        if (kind_of(Row(batch, head, group, time * n), s * n) != 0) { return false; }
      }
    }
  }
  return true;
}

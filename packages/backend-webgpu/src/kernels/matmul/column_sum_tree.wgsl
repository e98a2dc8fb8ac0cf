// The sums of the LANES invocations that share a column, by a tree; the first of them gets it.

var<workgroup> partial: array<vec4f, LANES * COLUMNS>;

fn column_sum(lane: u32, mine: vec4f) -> vec4f {
  partial[lane] = mine;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane % LANES < half) { partial[lane] += partial[lane + half]; }
  }
  workgroupBarrier();
  return partial[lane];
}

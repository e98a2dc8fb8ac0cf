// What the LANES invocations of a workgroup have, folded to one by a tree: all of them get it. A kernel says what Folded is,
// how two `merge`, and what changes none: `start`. To fold again takes a barrier first.

var<workgroup> shares: array<Folded, LANES>;

fn fold_workgroup(lane: u32, mine: Folded) -> Folded {
  shares[lane] = mine;
  for (var apart = LANES / 2u; apart > 0u; apart >>= 1u) {
    workgroupBarrier();
    if (lane < apart) { shares[lane] = merge(shares[lane], shares[lane + apart]); }
  }
  workgroupBarrier();
  return shares[0];
}

// What the LANES invocations of a workgroup have, folded to one by subgroups, with one barrier: all of them get it. A kernel
// says what Folded is, how two `merge`, and what changes none: `start`. To fold again takes a barrier first.
//
// What `fold_subgroup` makes of each subgroup is told at the place of one of its invocations, then each folds what all have
// told. How large subgroups are, who is in which, and whether all are full is not specified: each
// goes through all places, as many at a time as it has invocations.

var<workgroup> shares: array<Folded, LANES>;

fn fold_workgroup(lane: u32, mine: Folded) -> Folded {
  let ours = fold_subgroup(mine);
  shares[lane] = start();
  if (subgroupElect()) { shares[lane] = ours; }
  let rank = subgroupExclusiveAdd(1u);
  let size = subgroupAdd(1u);
  workgroupBarrier();
  var told = start();
  for (var i = rank; i < LANES; i += size) { told = merge(told, shares[i]); }
  return fold_subgroup(told);
}

// The sum over a subgroup, for all of its invocations.

fn fold_subgroup(x: Folded) -> Folded {
  return subgroupAdd(x);
}

// The sum of a workgroup's LANES invocations, which share one column; all of them get it.

alias Folded = vec4f;

fn column_sum(lane: u32, mine: vec4f) -> vec4f {
  return fold_workgroup(lane, mine);
}

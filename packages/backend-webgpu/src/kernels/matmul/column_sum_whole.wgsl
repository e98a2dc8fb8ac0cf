// The same where a whole workgroup shares one column.

alias Folded = vec4f;

fn column_sum(lane: u32, mine: vec4f) -> vec4f {
  return fold_workgroup(lane, mine);
}

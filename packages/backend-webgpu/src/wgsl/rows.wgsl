// Rows: the dims before `outer` say which row, those from there on where in it.

fn row_start(row: u32) -> vec4u {
  return params.offsets + walk(row, 0u, params.outer);
}

fn in_row(j: u32) -> vec4u {
  return walk(j, params.outer, params.rank);
}

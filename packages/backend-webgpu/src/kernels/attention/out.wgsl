@group(0) @binding(1) var<storage, read_write> out: array<u32>;

// Elements 4c to 4c + 3 of a line that begins at an element; those beyond its end are not stored.
fn store_four(line: u32, c: u32, four: vec4u) {
  for (var e = 0u; e < 4u; e++) {
    if (4u * c + e < DV) { out[line + 4u * c + e] = four[e]; }
  }
}

fn store_state(at: u32, state: vec4u) {
  for (var e = 0u; e < 4u; e++) { out[at + e] = state[e]; }
}

// Lines of whole fours.

@group(0) @binding(1) var<storage, read_write> out: array<vec4u>;

fn store_four(line: u32, c: u32, four: vec4u) {
  out[(line >> 2u) + c] = four;
}

fn store_state(at: u32, state: vec4u) {
  out[at >> 2u] = state;
}

// Brings together what the parts of the keys gave a row: an invocation makes one element of the output.

@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> parts: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = group.x * 64u + lane;
  if (i >= row_count() * DV) { return; }
  let row = row_of(i / DV, group.z, group.y);
  let d = i % DV;
  let line = line_of(row);
  let first = line * params.parts * PART_WORDS;
  var maximum = LOWEST;
  for (var part = 0u; part < params.parts; part++) {
    maximum = max(maximum, bitcast<f32>(parts[first + part * PART_WORDS + 4u * VALUE_CHUNKS]));
  }
  var seen = false;
  var spoilt = false;
  var weights = 0.0;
  var sum = 0.0;
  for (var part = 0u; part < params.parts; part++) {
    let at = first + part * PART_WORDS;
    let state = at + 4u * VALUE_CHUNKS;
    let flags = parts[state + 2u];
    if (flags == 0u) { continue; }
    let weight = exp_below_zero(vec4f(bitcast<f32>(parts[state]) - maximum)).x;
    seen = true;
    spoilt = spoilt || flags > 1u;
    weights += bitcast<f32>(parts[state + 1u]) * weight;
    sum += bitcast<f32>(parts[at + d]) * weight;
  }
  var value = sum * share_of(seen, weights, spoilt);
  if (spoilt) { value = nan(); }
  out[line * DV + d] = bitcast<u32>(value);
  if (d == 0u) { store_log_sum(line, log_sum_of(seen, maximum, weights, spoilt)); }
}

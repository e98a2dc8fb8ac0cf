// Lines of keys and values of any float dtype in any strides, one element after the other.

@group(0) @binding(3) var<storage, read> keys: array<u32>;
@group(0) @binding(4) var<storage, read> values: array<u32>;

// Elements 4c to 4c + 3 of a line, 0 beyond its end.
fn keys_at(line: u32, c: u32) -> vec4f {
  var bits = vec4u();
  for (var e = 0u; e < 4u; e++) {
    let at = line + (4u * c + e) * params.key_d;
    if (4u * c + e < D) { bits[e] = bits_in(keys[word_of(at, KEY)], at, KEY); }
  }
  return widen_four(bits, KEY);
}

fn values_at(line: u32, c: u32) -> vec4f {
  var bits = vec4u();
  for (var e = 0u; e < 4u; e++) {
    let at = line + (4u * c + e) * params.value_d;
    if (4u * c + e < DV) { bits[e] = bits_in(values[word_of(at, VALUE)], at, VALUE); }
  }
  return widen_four(bits, VALUE);
}

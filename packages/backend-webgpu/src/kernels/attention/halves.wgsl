// Four elements of any float dtype widened without a branch: inlined for dozens of elements, branches take long to compile.

fn halves_to_f32(halves: vec4u) -> vec4f {
  let magnitude = halves & vec4u(0x7fffu);
  let moved = magnitude << vec4u(13u);
  let normal = moved + select(vec4u(0x38000000u), vec4u(0x70000000u), magnitude >= vec4u(0x7c00u));
  let subnormal = bitcast<vec4u>(vec4f(magnitude) * 0x1p-24f);
  let bits = select(normal, subnormal, magnitude < vec4u(0x0400u));
  return bitcast<vec4f>(bits | ((halves & vec4u(0x8000u)) << vec4u(16u)));
}

fn widen_four(bits: vec4u, dtype: u32) -> vec4f {
  if (dtype == F16) { return halves_to_f32(bits); }
  if (dtype == BF16) { return bitcast<vec4f>(bits << vec4u(16u)); }
  return bitcast<vec4f>(bits);
}

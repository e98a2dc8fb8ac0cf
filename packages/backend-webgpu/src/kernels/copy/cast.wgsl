// Casts: floats to ints truncate toward zero and stop at the ends of the range, NaN gives 0; ints to shorter ints wrap;
// anything but 0 is true. Floats go by way of f32, which holds all others.

fn to_i32(x: f32) -> i32 {
  if (is_nan(x)) { return 0; }
  if (x >= 2147483648.0) { return 0x7fffffff; }
  if (x < -2147483648.0) { return -0x7fffffff - 1; }
  return i32(x);
}

fn produce(i: u32, at: vec4u) -> u32 {
  let bits = element_bits(at.y);
  if (X == OUT) { return bits; }
  if (OUT == BOOL) { return u32(select(bits, widen_bits(bits, X) & 0x7fffffffu, is_float(X)) != 0u); }
  if (is_float(OUT)) {
    if (is_float(X)) { return narrow_bits(widen_bits(bits, X), OUT); }
    return narrow(f32(bitcast<i32>(bits)), OUT);
  }
  if (!is_float(X)) { return select(bits, bits & 255u, OUT == U8); }
  let whole = to_i32(widen(bits, X));
  return bitcast<u32>(select(whole, clamp(whole, 0, 255), OUT == U8));
}

// value + i * step in f32, converted to the output's dtype.

fn produce(i: u32, at: vec4u) -> u32 {
  let value = bitcast<f32>(params.attrs.x) + f32(i) * bitcast<f32>(params.attrs.y);
  if (is_float(OUT)) { return narrow(value, OUT); }
  if (OUT == BOOL) { return u32(value != 0.0); }
  if (OUT == U8) { return u32(clamp(trunc(value), 0.0, 255.0)); }
  return bitcast<u32>(i32(clamp(trunc(value), -2147483648.0, 2147483520.0)));
}

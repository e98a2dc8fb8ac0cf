// value + i * step in integers that wrap.

fn produce(i: u32, at: vec4u) -> u32 {
  let value = params.attrs.x + i * params.attrs.y;
  if (OUT == BOOL) { return u32(value != 0u); }
  if (OUT == U8) { return value & 255u; }
  return value;
}

fn produce(i: u32, at: vec4u) -> u32 {
  return params.attrs.x;
}

fn slot_of(batch: u32, s: u32) -> vec2u {
  return vec2u(batch, s);
}

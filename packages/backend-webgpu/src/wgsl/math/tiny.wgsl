// Products and quotients of the smallest numbers, below 2^-126, which a device may take for 0: NaN would come of such a
// number times an infinity, 0 of one times a large one. They are whole numbers of 2^-149, and computed with as those.

fn is_tiny(x: f32) -> bool {
  let magnitude = bitcast<u32>(x) & 0x7fffffffu;
  return magnitude != 0u && magnitude < 0x00800000u;
}

// How many times 2^-149 a tiny number is.
fn tiny_count(x: f32) -> f32 {
  return with_sign_of(f32(bitcast<u32>(x) & 0x7fffffu), x);
}

fn product_with_tiny(tiny: f32, x: f32) -> f32 {
  if (is_tiny(x)) { return with_sign_of(0.0, bitcast<f32>(bitcast<u32>(tiny) ^ bitcast<u32>(x))); }
  return tiny_count(tiny) * (x * 0x1p-75f) * 0x1p-74f;
}

fn multiply(a: f32, b: f32) -> f32 {
  if (is_tiny(a)) { return product_with_tiny(a, b); }
  if (is_tiny(b)) { return product_with_tiny(b, a); }
  return a * b;
}

fn divide(a: f32, b: f32) -> f32 {
  if (is_tiny(a) && is_tiny(b)) { return tiny_count(a) / tiny_count(b); }
  if (is_tiny(a)) { return tiny_count(a) * 0x1p-100f / b * 0x1p-49f; }
  if (is_tiny(b)) { return a * 0x1p75f / tiny_count(b) * 0x1p74f; }
  return a / b;
}

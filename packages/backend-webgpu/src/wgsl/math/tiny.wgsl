// Products and quotients of the smallest numbers, below 2^-126, which a device may take for 0: NaN would come of such a
// number times an infinity, 0 of one times a large one. They are whole numbers of 2^-149, and computed with as those;
// other numbers as a fraction and an exponent, so that the only constants are whole and no order of products matters.

fn is_tiny(x: f32) -> bool {
  let magnitude = bitcast<u32>(x) & 0x7fffffffu;
  return magnitude != 0u && magnitude < 0x00800000u;
}

// How many times 2^-149 a tiny number is.
fn tiny_count(x: f32) -> f32 {
  return with_sign_of(f32(bitcast<u32>(x) & 0x7fffffu), x);
}

// A number is its fraction, from 1 to 2, times 2^exponent; not 0, nor tiny, nor infinite.
fn fraction_of(x: f32) -> f32 {
  return bitcast<f32>((bitcast<u32>(x) & 0x807fffffu) | 0x3f800000u);
}

fn exponent_of(x: f32) -> i32 {
  return i32((bitcast<u32>(x) >> 23u) & 255u) - 127;
}

// Whether x is 0, tiny, infinite or NaN.
fn is_edge(x: f32) -> bool {
  let exponent = (bitcast<u32>(x) >> 23u) & 255u;
  return exponent == 0u || exponent == 255u;
}

fn with_sign_of_product(magnitude: f32, a: f32, b: f32) -> f32 {
  return with_sign_of(magnitude, bitcast<f32>(bitcast<u32>(a) ^ bitcast<u32>(b)));
}

fn product_with_tiny(tiny: f32, x: f32) -> f32 {
  if (is_nan(x)) { return nan(); }
  if (is_edge(x)) { return with_sign_of_product(select(0.0, infinity(), is_infinite(x)), tiny, x); }
  return scaled(tiny_count(tiny) * fraction_of(x), exponent_of(x) - 149);
}

fn multiply(a: f32, b: f32) -> f32 {
  if (is_tiny(a)) { return product_with_tiny(a, b); }
  if (is_tiny(b)) { return product_with_tiny(b, a); }
  return a * b;
}

fn divide(a: f32, b: f32) -> f32 {
  if (is_tiny(a) && is_tiny(b)) { return tiny_count(a) / tiny_count(b); }
  if (is_tiny(a)) {
    if (is_nan(b)) { return nan(); }
    if (is_edge(b)) { return with_sign_of_product(select(infinity(), 0.0, is_infinite(b)), a, b); }
    return scaled(tiny_count(a) / fraction_of(b), -149 - exponent_of(b));
  }
  if (is_tiny(b)) {
    if (is_nan(a)) { return nan(); }
    if (is_edge(a)) { return with_sign_of_product(select(0.0, infinity(), is_infinite(a)), a, b); }
    return scaled(fraction_of(a) / tiny_count(b), exponent_of(a) + 149);
  }
  return a / b;
}

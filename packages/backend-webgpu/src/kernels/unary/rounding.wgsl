// Beyond 2^23 an f32 has no fraction, and neither have infinities.
fn has_fraction(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) < 0x4b000000u;
}

fn sign_(x: f32) -> f32 {
  return select(with_sign_of(1.0, x), 0.0, (bitcast<u32>(x) & 0x7fffffffu) == 0u);
}

// The smallest numbers have a sign also where a device takes them for 0.
fn floor_(x: f32) -> f32 {
  if (!has_fraction(x)) { return x; }
  if (is_negative(x) && x > -0.5) { return select(-1.0, x, sign_(x) == 0.0); }
  return floor(x);
}

fn ceil_(x: f32) -> f32 {
  if (!has_fraction(x)) { return x; }
  if (!is_negative(x) && x < 0.5) { return sign_(x); }
  return ceil(x);
}

fn half_to_even(x: f32) -> f32 {
  let below = floor(x);
  let over = x - below;
  let up = over > 0.5 || (over == 0.5 && (i32(below) & 1) != 0);
  return with_sign_of(below + f32(up), x);
}

// The smallest numbers by way of an integer: they are that many times 2^-149.
fn sqrt_(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  if ((bits & 0x7fffffffu) == 0u || bits == 0x7f800000u) { return x; }
  if (is_negative(x)) { return nan(); }
  if (bits < 0x00800000u) { return sqrt(f32(bits)) * 3.74339207e-23; }
  return sqrt(x);
}

// a^b as IEEE 754 has it: 1^b = a^0 = 1 also for NaN, (-1)^infinity = 1, a negative base takes whole powers only.

fn is_zero(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) == 0u; // not by ==: a device may take the smallest numbers for 0
}

fn is_whole(x: f32) -> bool {
  return abs(x) >= 8388608.0 || is_zero(x) || (abs(x) >= 1.0 && floor(x) == x);
}

fn is_odd(x: f32) -> bool {
  return abs(x) < 16777216.0 && is_whole(x) && (i32(x) & 1) != 0;
}

// |a|^b, a neither NaN nor 1, b neither NaN nor 0.
fn pow_of_magnitude(a: f32, b: f32) -> f32 {
  let zero = is_zero(a);
  if (abs(b) >= 0x1p32f) { // the f32 nearest to 1 has gone all the way by then
    if (abs(a) == 1.0) { return 1.0; }
    return select(infinity(), 0.0, (abs(a) < 1.0) != is_negative(b));
  }
  if (zero || is_infinite(a)) { return select(infinity(), 0.0, zero != is_negative(b)); }
  let parts = log_parts(abs(a));
  // b log2 a = whole + rest: the whole part is taken apart from the fraction, to keep the fraction's bits
  let power = b * parts.exponent + b * parts.rest * 1.44269504;
  if (power >= 128.0) { return infinity(); }
  if (power < -150.0) { return 0.0; }
  let whole = floor(b * parts.exponent + 0.5);
  let fraction = (b * parts.exponent - whole) * 0.693147181 + b * parts.rest;
  if (abs(whole) > 400.0 || abs(fraction) > 80.0) { return exp2_(power); }
  let n = floor(fraction * 1.44269504 + 0.5);
  return scaled(1.0 + expm1_near_zero(without_powers(fraction, n)), clamp(i32(whole + n), -250, 250));
}

fn pow_(a: f32, b: f32) -> f32 {
  if (a == 1.0 || is_zero(b)) { return 1.0; }
  if (is_nan(a) || is_nan(b)) { return nan(); }
  let magnitude = pow_of_magnitude(a, b);
  if (!is_negative(a)) { return magnitude; }
  let finite = !is_infinite(b);
  if (finite && is_odd(b)) { return -magnitude; }
  let base_is_edge = is_infinite(a) || is_zero(a);
  if (finite && !is_whole(b) && !base_is_edge) { return nan(); }
  return magnitude;
}

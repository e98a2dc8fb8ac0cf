// Logarithms: x = 2^e m with m near 1, taken from the bits, and a polynomial of m - 1 (Cephes logf, error below 2 units in
// the last place). The smallest numbers are scaled by way of an integer, as a device may take them for 0.

// log(1 + f) for f from sqrt(1/2) - 1 to sqrt(2) - 1.
fn log1p_near_zero(f: f32) -> f32 {
  let z = f * f;
  var p = 7.0376836292e-2;
  p = p * f - 1.1514610310e-1;
  p = p * f + 1.1676998740e-1;
  p = p * f - 1.2420140846e-1;
  p = p * f + 1.4249322787e-1;
  p = p * f - 1.6668057665e-1;
  p = p * f + 2.0000714765e-1;
  p = p * f - 2.4999993993e-1;
  p = p * f + 3.3333331174e-1;
  return f + (p * f * z - 0.5 * z);
}

struct Parts {
  exponent: f32,
  rest: f32, // log of the mantissa
}

fn log_parts(x: f32) -> Parts {
  var bits = bitcast<u32>(x);
  var exponent = -127;
  if (bits < 0x00800000u) {
    bits = bitcast<u32>(f32(bits));
    exponent -= 149;
  }
  exponent += i32(bits >> 23u);
  var m = bitcast<f32>((bits & 0x7fffffu) | 0x3f800000u);
  if (m > 1.41421356) {
    m *= 0.5;
    exponent += 1;
  }
  return Parts(f32(exponent), log1p_near_zero(m - 1.0));
}

// What is no positive number: -infinity for 0, NaN below, infinity itself.
fn log_at_edge(x: f32) -> f32 {
  if ((bitcast<u32>(x) & 0x7fffffffu) == 0u) { return -infinity(); }
  if (is_negative(x)) { return nan(); }
  return x;
}

fn has_log(x: f32) -> bool {
  let bits = bitcast<u32>(x);
  return bits != 0u && bits < 0x7f800000u;
}

fn log_(x: f32) -> f32 {
  if (!has_log(x)) { return log_at_edge(x); }
  let parts = log_parts(x);
  return parts.exponent * 0.693359375 + (parts.rest - parts.exponent * 2.12194440e-4);
}

fn log2_(x: f32) -> f32 {
  if (!has_log(x)) { return log_at_edge(x); }
  let parts = log_parts(x);
  return parts.exponent + parts.rest * 1.44269504;
}

fn log1p_(x: f32) -> f32 {
  if (x > -0.29 && x < 0.41) { return log1p_near_zero(x); }
  return log_(1.0 + x);
}

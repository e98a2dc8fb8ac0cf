// e^x and its kin: x = n ln 2 + r, then 2^n times a polynomial of r (Cephes expf, error below 2 units in the last place).
// n ln 2 is taken off in two parts, the first exact, the second by way of an integer: compilers that reorder sums (Metal's
// does) would otherwise make one product of the two.

// x - n ln 2, n up to 500.
fn without_powers(x: f32, n: f32) -> f32 {
  return (x - n * 0.693359375) + f32(i32(n) * 3645473) * 0x1p-34f;
}

// e^r - 1 for |r| <= ln(2) / 2 and a little more.
fn expm1_near_zero(r: f32) -> f32 {
  var p = 1.9875691500e-4;
  p = p * r + 1.3981999507e-3;
  p = p * r + 8.3334519073e-3;
  p = p * r + 4.1665795894e-2;
  p = p * r + 1.6666665459e-1;
  p = p * r + 5.0000001201e-1;
  return p * r * r + r;
}

fn exp_(x: f32) -> f32 {
  if (x > 88.8) { return infinity(); }
  if (x < -104.0) { return 0.0; }
  let n = floor(x * 1.44269504 + 0.5);
  return scaled(1.0 + expm1_near_zero(without_powers(x, n)), i32(n));
}

fn exp2_(x: f32) -> f32 {
  if (x >= 128.0) { return infinity(); }
  if (x < -150.0) { return 0.0; }
  let n = floor(x + 0.5);
  return scaled(1.0 + expm1_near_zero((x - n) * 0.693147181), i32(n));
}

fn expm1_(x: f32) -> f32 {
  if (abs(x) < 0.35) { return expm1_near_zero(x); }
  return exp_(x) - 1.0;
}

fn sigmoid_(x: f32) -> f32 {
  return 1.0 / (1.0 + exp_(-x));
}

// Around 0 a polynomial, since 1 - 2 / (e^2x + 1) would cancel (Cephes tanhf).
fn tanh_(x: f32) -> f32 {
  let magnitude = abs(x);
  if (magnitude > 9.1) { return with_sign_of(1.0, x); }
  if (magnitude >= 0.625) { return with_sign_of(1.0 - 2.0 / (exp_(2.0 * magnitude) + 1.0), x); }
  let z = x * x;
  var p = -5.70498872745e-3;
  p = p * z + 2.06390887954e-2;
  p = p * z - 5.37397155531e-2;
  p = p * z + 1.33314422036e-1;
  p = p * z - 3.33332819422e-1;
  return p * z * x + x;
}

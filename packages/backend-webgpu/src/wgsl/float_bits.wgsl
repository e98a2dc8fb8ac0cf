// NaN, infinities and order told by bits: a device may compute as if there were none (on llvmpipe v != v is false for
// NaN, and max(NaN, 0) is 0). Their bit patterns come from variables, since constant expressions may not make them.

var<private> nan_bits: u32 = 0x7fc00000u;
var<private> infinity_bits: u32 = 0x7f800000u;

fn nan() -> f32 {
  return bitcast<f32>(nan_bits);
}

fn infinity() -> f32 {
  return bitcast<f32>(infinity_bits);
}

fn is_nan(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

fn is_infinite(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) == 0x7f800000u;
}

fn is_negative(x: f32) -> bool {
  return (bitcast<u32>(x) >> 31u) == 1u;
}

fn with_sign_of(magnitude: f32, x: f32) -> f32 {
  return bitcast<f32>((bitcast<u32>(magnitude) & 0x7fffffffu) | (bitcast<u32>(x) & 0x80000000u));
}

// Integers in the order of the numbers: -0 equals 0, NaN is above all.
fn float_order(bits: u32) -> u32 {
  let magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) { return 0xffffffffu; }
  return select(0x80000000u + magnitude, 0x80000000u - magnitude, (bits >> 31u) == 1u);
}

fn int_order(bits: u32) -> u32 {
  return bits ^ 0x80000000u;
}

// x 2^n, x from 2^-126 on and finite. n is added to the exponent: of factors compilers that reorder products (Metal's does)
// make a single one, and that may be 0 or infinity. Results below 2^-126 are for devices that have them.
fn scaled(x: f32, n: i32) -> f32 {
  let bits = bitcast<u32>(x);
  let exponent = i32((bits >> 23u) & 255u) + n;
  if (exponent >= 255) { return with_sign_of(infinity(), x); }
  if (exponent > 0) { return bitcast<f32>(bits + (bitcast<u32>(n) << 23u)); }
  if (exponent < -24) { return with_sign_of(0.0, x); }
  return bitcast<f32>(bits + (bitcast<u32>(n + 64) << 23u)) * 0x1p-64f;
}

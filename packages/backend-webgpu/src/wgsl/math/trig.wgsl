// Sine and cosine of any f32: the angle is brought to [-pi/4, pi/4] and a quadrant, then a polynomial (Cephes sinf, cosf).
// Up to 1024 pi/2 is taken off in two parts: one in whole numbers of 2^-24, and what it lacks. Beyond, the fraction of
// x * 2/pi is computed in 32-bit integers from as many bits of 2/pi as matter (Payne and Hanek, 1983), so that an error does
// not grow with x. Neither relies on the order of sums and products of floats: Metal's compiler changes that.

struct Angle {
  rest: f32,
  quadrant: u32,
}

// pi/2 in whole numbers of 2^-24; it lacks 1.58932548e-8.
const PI_OVER_2 = 26353589u;

// 2/pi in binary, 32 bits a word.
const TWO_OVER_PI = array<u32, 7>(
  0x28be60dbu, 0x9391054au, 0x7f09d5f4u, 0x7d4d3770u, 0x36d8a566u, 0x4f10e410u, 0x7f9458eau,
);

// The 64-bit product of two words: low, high.
fn product(a: u32, b: u32) -> vec2u {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let cross = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let other = (a & 0xffffu) * (b >> 16u) + (cross & 0xffffu);
  return vec2u((other << 16u) | (low & 0xffffu), (a >> 16u) * (b >> 16u) + (cross >> 16u) + (other >> 16u));
}

fn word_of_two_over_pi(i: u32) -> u32 {
  var words = TWO_OVER_PI;
  return words[i];
}

// 32 bits of 2/pi from bit `first` on; bits before the point are 0.
fn bits_of_two_over_pi(first: i32) -> u32 {
  let i = first >> 5u;
  let shift = u32(first) & 31u;
  var high = 0u;
  if (i >= 0) { high = word_of_two_over_pi(u32(i)); }
  if (shift == 0u) { return high; }
  return (high << shift) | (word_of_two_over_pi(u32(i + 1)) >> (32u - shift));
}

fn reduce_large(magnitude: u32) -> Angle {
  let mantissa = ((magnitude & 0x7fffffu) | 0x800000u) << 8u;
  let first = i32(magnitude >> 23u) - 126 - 32; // so that the product's top 2 bits are the quadrant
  let low = product(mantissa, bits_of_two_over_pi(first + 64));
  let middle = product(mantissa, bits_of_two_over_pi(first + 32));
  let high = mantissa * bits_of_two_over_pi(first);
  let fraction_low = middle.x + low.y;
  let fraction_high = high + middle.y + u32(fraction_low < middle.x);
  var quadrant = fraction_high >> 30u;
  var top = bitcast<i32>(fraction_high & 0x3fffffffu);
  if ((fraction_high & 0x20000000u) != 0u) {
    top -= 0x40000000;
    quadrant += 1u;
  }
  // top and fraction_low form a number of 64 bits; 2^62 of it are pi/2. Near a multiple of pi/2 top is 0 or -1.
  let whole = f32(top) * 0x1p32f + f32(fraction_low);
  let near = select(f32(fraction_low), -f32(~fraction_low + 1u), top == -1);
  return Angle(select(whole, near, top == 0 || (top == -1 && fraction_low != 0u)) * (1.57079633 * 0x1p-62f), quadrant & 3u);
}

fn reduce_angle(x: f32) -> Angle {
  let magnitude = abs(x);
  if (magnitude < 0.5) { return Angle(magnitude, 0u); }
  if (magnitude > 1024.0) { return reduce_large(bitcast<u32>(magnitude)); }
  let bits = bitcast<u32>(magnitude);
  let whole = ((bits & 0x7fffffu) | 0x800000u) << ((bits >> 23u) - 126u); // modulo 2^32, which the difference is not near
  let n = u32(magnitude * 0.636619772 + 0.5);
  let rest = f32(bitcast<i32>(whole - n * PI_OVER_2)) * 0x1p-24f - f32(n) * 1.58932548e-8;
  return Angle(rest, n & 3u);
}

fn sin_near_zero(x: f32) -> f32 {
  let z = x * x;
  return ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * x + x;
}

fn cos_near_zero(x: f32) -> f32 {
  let z = x * x;
  return ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0;
}

// The sine of an angle that is so many quadrants on.
fn sin_in(angle: Angle, quadrants: u32) -> f32 {
  let quadrant = (angle.quadrant + quadrants) & 3u;
  let value = select(sin_near_zero(angle.rest), cos_near_zero(angle.rest), (quadrant & 1u) == 1u);
  return select(value, -value, quadrant >= 2u);
}

fn sin_(x: f32) -> f32 {
  if (is_infinite(x)) { return nan(); }
  if (x == 0.0) { return x; }
  let value = sin_in(reduce_angle(x), 0u);
  return select(value, -value, is_negative(x));
}

fn cos_(x: f32) -> f32 {
  if (is_infinite(x)) { return nan(); }
  return sin_in(reduce_angle(x), 1u);
}

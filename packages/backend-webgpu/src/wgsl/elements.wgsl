// Elements of a buffer of words, by dtype. DTypes are constants where these functions are called, so that compilers are
// left with one branch. Half floats are read and written in integers: what devices offer may flush the smallest numbers
// or round in another way.

const F32 = 0u;
const F16 = 1u;
const BF16 = 2u;
const I32 = 3u;
const U8 = 4u;
const BOOL = 5u;

fn is_half(dtype: u32) -> bool {
  return dtype == F16 || dtype == BF16;
}

fn is_float(dtype: u32) -> bool {
  return dtype <= BF16;
}

// The word that element i is in.
fn word_of(i: u32, dtype: u32) -> u32 {
  return select(i, i >> 1u, is_half(dtype));
}

// The element's own bits, given its word.
fn bits_in(word: u32, i: u32, dtype: u32) -> u32 {
  if (is_half(dtype)) { return (word >> ((i & 1u) * 16u)) & 0xffffu; }
  return word;
}

fn f16_to_f32_bits(h: u32) -> u32 {
  let sign = (h & 0x8000u) << 16u;
  let exponent = (h >> 10u) & 31u;
  let mantissa = h & 0x3ffu;
  if (exponent == 31u) { return sign | 0x7f800000u | (mantissa << 13u); }
  if (exponent != 0u) { return sign | ((exponent + 112u) << 23u) | (mantissa << 13u); }
  return sign | bitcast<u32>(f32(mantissa) * 0x1p-24f); // subnormal there, normal here
}

// Both f16 or bf16 of a word, without branches.
fn pair_of(word: u32, dtype: u32) -> vec2f {
  let bits = vec2u(word & 0xffffu, word >> 16u);
  if (dtype == BF16) { return bitcast<vec2f>(bits << vec2u(16u)); }
  let magnitude = bits & vec2u(0x7fffu);
  let normal = (magnitude << vec2u(13u)) + vec2u(0x38000000u);
  let tiny = bitcast<vec2u>(vec2f(magnitude) * 0x1p-24f);
  let finite = select(normal, tiny, magnitude < vec2u(0x400u));
  let wide = select(finite, normal + vec2u(0x38000000u), magnitude >= vec2u(0x7c00u)); // infinity, NaN
  return bitcast<vec2f>(wide | ((bits & vec2u(0x8000u)) << vec2u(16u)));
}

// The nearest f16, ties to even; NaN stays NaN.
fn f32_to_f16_bits(bits: u32) -> u32 {
  let sign = (bits >> 16u) & 0x8000u;
  let magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) { return 0x7e00u; }
  if (magnitude >= 0x477ff000u) { return sign | 0x7c00u; } // 65520 and above
  if (magnitude >= 0x38800000u) {
    let rounded = magnitude + 0xfffu + ((magnitude >> 13u) & 1u);
    return sign | ((rounded >> 13u) - (112u << 10u));
  }
  if (magnitude < 0x33000000u) { return sign; } // below half of the smallest
  let shift = 126u - (magnitude >> 23u); // 14 up to 24
  let mantissa = (magnitude & 0x7fffffu) | 0x800000u;
  let kept = mantissa >> shift;
  let lost = mantissa & ((1u << shift) - 1u);
  let half = 1u << (shift - 1u);
  return sign | (kept + u32(lost > half || (lost == half && (kept & 1u) == 1u)));
}

// The nearest bf16, ties to even; NaN stays NaN.
fn f32_to_bf16_bits(bits: u32) -> u32 {
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return (bits >> 16u) | 0x40u; }
  return (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
}

// A float's value as the bits of an f32.
fn widen_bits(bits: u32, dtype: u32) -> u32 {
  if (dtype == F16) { return f16_to_f32_bits(bits); }
  if (dtype == BF16) { return bits << 16u; }
  return bits;
}

// The bits of an f32 as those of a float dtype.
fn narrow_bits(bits: u32, dtype: u32) -> u32 {
  if (dtype == F16) { return f32_to_f16_bits(bits); }
  if (dtype == BF16) { return f32_to_bf16_bits(bits); }
  return bits;
}

fn widen(bits: u32, dtype: u32) -> f32 {
  return bitcast<f32>(widen_bits(bits, dtype));
}

fn narrow(value: f32, dtype: u32) -> u32 {
  return narrow_bits(bitcast<u32>(value), dtype);
}

// The number that an element of any plain dtype is.
fn number(bits: u32, dtype: u32) -> f32 {
  if (is_float(dtype)) { return widen(bits, dtype); }
  return f32(bitcast<i32>(bits));
}

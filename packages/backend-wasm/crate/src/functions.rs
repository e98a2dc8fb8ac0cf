//! Functions of numbers that std lacks, in f64, and fast ones on four f32 lanes.
//!
//! `erf`: Cody's rational approximations (W. J. Cody, "Rational Chebyshev Approximations for the Error Function", Math. Comp.
//! 23, 1969; his CALERF), relative errors below 3e-16, that of erfc below 6e-16.
//!
//! Lanes: all rest on `Exp`, whose relative error is 2e-7 (crate::exp), so that
//!
//!     sigmoid(x) = 1 / (1 + e^-x)      tanh(x) = 1 - 2 / (e^2|x| + 1), with x's sign; |x| < 0.3: a polynomial
//!
//! have errors below 4e-7.

use core::arch::wasm32::*;

use crate::exp::Exp;
use crate::simd::madd;

const SMALL: f64 = 0.46875;
const ERF_P: [f64; 5] = [
    1.857_777_061_846_031_5e-1,
    3.161_123_743_870_565_6,
    1.138_641_541_510_501_6e2,
    3.774_852_376_853_02e2,
    3.209_377_589_138_469_5e3,
];
const ERF_Q: [f64; 5] =
    [1.0, 2.360_129_095_234_412e1, 2.440_246_379_344_441_7e2, 1.282_616_526_077_372_3e3, 2.844_236_833_439_171e3];

const ERFC_P: [f64; 9] = [
    2.153_115_354_744_038_5e-8,
    5.641_884_969_886_701e-1,
    8.883_149_794_388_377,
    6.611_919_063_714_163e1,
    2.986_351_381_974_001e2,
    8.819_522_212_417_69e2,
    1.712_047_612_634_070_6e3,
    2.051_078_377_826_071_5e3,
    1.230_339_354_797_997_2e3,
];
const ERFC_Q: [f64; 9] = [
    1.0,
    1.574_492_611_070_983_5e1,
    1.176_939_508_913_125e2,
    5.371_811_018_620_099e2,
    1.621_389_574_566_690_2e3,
    3.290_799_235_733_459_6e3,
    4.362_619_090_143_247e3,
    3.439_367_674_143_721_6e3,
    1.230_339_354_803_749_4e3,
];

const TAIL_P: [f64; 6] = [
    1.631_538_713_730_209_8e-2,
    3.053_266_349_612_323_4e-1,
    3.603_448_999_498_044_4e-1,
    1.257_817_261_112_292_5e-1,
    1.608_378_514_874_228e-2,
    6.587_491_615_298_378e-4,
];
const TAIL_Q: [f64; 6] = [
    1.0,
    2.568_520_192_289_822,
    1.872_952_849_923_467_2,
    5.279_051_029_514_284e-1,
    6.051_834_131_244_132e-2,
    2.335_204_976_268_691_8e-3,
];
const INVERSE_SQRT_PI: f64 = 0.564_189_583_547_756_3;

/// The error function, from -1 to 1.
pub fn erf(x: f64) -> f64 {
    if x.abs() <= SMALL {
        return x * ratio(&ERF_P, &ERF_Q, x * x);
    }
    let rest = erfc_of_positive(x.abs());
    if x < 0.0 {
        rest - 1.0
    } else {
        1.0 - rest
    }
}

/// `1 - erf(x)`, without the cancellation.
pub fn erfc(x: f64) -> f64 {
    if x.abs() <= SMALL {
        1.0 - erf(x)
    } else if x < 0.0 {
        2.0 - erfc_of_positive(-x)
    } else {
        erfc_of_positive(x)
    }
}

fn erfc_of_positive(x: f64) -> f64 {
    if x <= 4.0 {
        return exp_of_minus_square(x) * ratio(&ERFC_P, &ERFC_Q, x);
    }
    if x > 27.0 {
        return 0.0; // below the smallest f64
    }
    let y = 1.0 / (x * x);
    exp_of_minus_square(x) * (INVERSE_SQRT_PI - y * ratio(&TAIL_P, &TAIL_Q, y)) / x
}

/// `e^(-x^2)`: the square's rounding error, which would grow with x, is taken out by splitting x.
fn exp_of_minus_square(x: f64) -> f64 {
    let high = (x * 16.0).trunc() / 16.0;
    (-high * high).exp() * ((high - x) * (high + x)).exp()
}

fn ratio(p: &[f64], q: &[f64], x: f64) -> f64 {
    polynomial(p, x) / polynomial(q, x)
}

fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, c| sum * x + c)
}

/// `1 / (1 + e^-x)`.
pub fn sigmoid_f64(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `a^b` modulo 2^32; a negative power is the truncated fraction, 0 for any base but 1 and -1.
pub fn pow_i32(a: i32, b: i32) -> i32 {
    match (a, b) {
        (1, _) => 1,
        (-1, _) => 1 - 2 * (b & 1),
        (_, ..0) => 0,
        _ => a.wrapping_pow(b as u32),
    }
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub fn sigmoid(exp: &Exp, x: v128) -> v128 {
    let one = f32x4_splat(1.0);
    f32x4_div(one, f32x4_add(one, exp.of(f32x4_neg(x))))
}

/// The hyperbolic tangent.
#[inline(always)]
pub fn tanh(exp: &Exp, x: v128) -> v128 {
    let one = f32x4_splat(1.0);
    let sign = v128_and(x, f32x4_splat(-0.0));
    let a = v128_xor(x, sign);
    let far = f32x4_sub(one, f32x4_div(f32x4_splat(2.0), f32x4_add(exp.of(f32x4_add(a, a)), one)));
    // x - x^3/3 + 2x^5/15 - 17x^7/315 + 62x^9/2835: below 0.3 the next term is 2e-8 of x
    let s = f32x4_mul(x, x);
    let p = f32x4_splat(62.0 / 2835.0);
    let p = madd(p, s, f32x4_splat(-17.0 / 315.0));
    let p = madd(p, s, f32x4_splat(2.0 / 15.0));
    let p = madd(p, s, f32x4_splat(-1.0 / 3.0));
    let near = madd(f32x4_mul(p, s), x, x);
    v128_bitselect(near, v128_or(far, sign), f32x4_lt(a, f32x4_splat(0.3)))
}

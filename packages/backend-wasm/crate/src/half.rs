//! f16 and bf16 to f32 and back, one element and eight at a time.
//!
//! Widening is exact. Narrowing rounds to the nearest, ties to even; NaN stays NaN (quiet), too large becomes infinite.
//! The f16 conversions are the branch-free ones of Fabian Giesen ("half_to_float_fast", "float_to_half_fast3_rtne"): a
//! multiplication by 2^112 puts the exponent right, denormals included.

use core::arch::wasm32::*;

use crate::exp::spread;

/// The f32 that an f16 stands for.
#[inline]
pub fn f16_to_f32(bits: u16) -> f32 {
    let bits = u32::from(bits);
    let magnitude = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits(0x7780_0000); // 2^112
    let special = if bits & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
    f32::from_bits(magnitude.to_bits() | special | (bits & 0x8000) << 16)
}

/// The nearest f16.
#[inline]
pub fn f32_to_f16(value: f32) -> u16 {
    let sign = value.to_bits() & 0x8000_0000;
    let bits = value.to_bits() ^ sign;
    let magnitude = if bits >= 0x4780_0000 {
        if bits > 0x7f80_0000 {
            0x7e00
        } else {
            0x7c00
        }
    } else if bits < 0x3880_0000 {
        // a denormal or 0: adding 1/2 shifts the mantissa to its place, rounding as f32 addition does
        (f32::from_bits(bits) + 0.5).to_bits() - 0x3f00_0000
    } else {
        bits.wrapping_add(0xc800_0fff + (bits >> 13 & 1)) >> 13 // wraps: the exponent goes from bias 127 to 15
    };
    (magnitude | sign >> 16) as u16
}

/// The f32 that a bf16 stands for.
#[inline]
pub fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The nearest bf16.
#[inline]
pub fn f32_to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    if bits & 0x7fff_ffff > 0x7f80_0000 {
        return (bits >> 16 | 0x40) as u16;
    }
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// 2^112, 2^16, and what leaves sign, exponent and mantissa of a widened f16; then the bits of Infinity.
static WIDEN: [f32; 4] = [f32::from_bits(0x7780_0000), 65_536.0, f32::from_bits(0x8fff_e000), f32::INFINITY];

/// What widening takes, loaded once for a loop, as in exp.rs: with that, and eight elements a turn, a matvec of f16 weights
/// runs at 1.7 to 2.0 times its speed. Telling Infinity by the exponent's bits, before the product, is no faster.
struct WidenF16([v128; 4]);

impl WidenF16 {
    /// Four f16 with their sign in all bits above, as f32. Whatever comes out at 2^16 or more had the exponent of
    /// Infinity and NaN.
    #[inline(always)]
    fn of(&self, bits: v128) -> v128 {
        let [scale, least, mask, infinity] = self.0;
        let wide = f32x4_mul(v128_and(i32x4_shl(bits, 13), mask), scale);
        v128_or(wide, v128_and(f32x4_ge(f32x4_abs(wide), least), infinity))
    }
}

/// Widens `n` contiguous f16 or bf16.
///
/// # Safety
/// `from` has `n` readable elements and `to` `n` writable ones that do not overlap them.
#[inline(never)] // its registers are all there are
pub unsafe fn widen_row(is_bf16: bool, from: *const u16, to: *mut f32, n: usize) {
    let whole = n & !7;
    let f16 = WidenF16(spread(&WIDEN));
    // SAFETY: i + 8 <= whole <= n in the first loops, i < n in the last.
    unsafe {
        let mut i = 0;
        while is_bf16 && i < whole {
            let [low, high] = [i, i + 4].map(|i| u32x4_load_extend_u16x4(from.add(i)));
            v128_store(to.add(i).cast(), u32x4_shl(low, 16));
            v128_store(to.add(i + 4).cast(), u32x4_shl(high, 16));
            i += 8;
        }
        while i < whole {
            let [low, high] = [i, i + 4].map(|i| i32x4_load_extend_i16x4(from.add(i).cast()));
            v128_store(to.add(i).cast(), f16.of(low));
            v128_store(to.add(i + 4).cast(), f16.of(high));
            i += 8;
        }
        for i in whole..n {
            let bits = *from.add(i);
            *to.add(i) = if is_bf16 { bf16_to_f32(bits) } else { f16_to_f32(bits) };
        }
    }
}

/// Narrows `n` contiguous f32 to f16 or bf16.
///
/// # Safety
/// `from` has `n` readable elements and `to` `n` writable ones that do not overlap them.
pub unsafe fn narrow_row(is_bf16: bool, from: *const f32, to: *mut u16, n: usize) {
    // SAFETY: i < n.
    unsafe {
        for i in 0..n {
            let value = *from.add(i);
            *to.add(i) = if is_bf16 { f32_to_bf16(value) } else { f32_to_f16(value) };
        }
    }
}

//! f16 and bf16 to f32 and back, one element and four at a time.
//!
//! Widening is exact. Narrowing rounds to the nearest, ties to even; NaN stays NaN (quiet), too large becomes infinite.
//! The f16 conversions are the branch-free ones of Fabian Giesen ("half_to_float_fast", "float_to_half_fast3_rtne"): a
//! multiplication by 2^112 puts the exponent right, denormals included.

use core::arch::wasm32::*;

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

/// Four f16 in the low halves of the lanes, as f32.
#[inline]
pub fn f16x4_to_f32x4(bits: v128) -> v128 {
    let magnitude = f32x4_mul(u32x4_shl(v128_and(bits, u32x4_splat(0x7fff)), 13), u32x4_splat(0x7780_0000));
    let exponent = u32x4_splat(0x7c00);
    let special = v128_and(u32x4_eq(v128_and(bits, exponent), exponent), u32x4_splat(0x7f80_0000));
    let sign = u32x4_shl(v128_and(bits, u32x4_splat(0x8000)), 16);
    v128_or(v128_or(magnitude, special), sign)
}

/// Widens `n` contiguous f16 or bf16.
///
/// # Safety
/// `from` has `n` readable elements and `to` `n` writable ones that do not overlap them.
pub unsafe fn widen_row(is_bf16: bool, from: *const u16, to: *mut f32, n: usize) {
    let whole = n & !3;
    // SAFETY: i + 4 <= whole <= n in the first loop, i < n in the second.
    unsafe {
        for i in (0..whole).step_by(4) {
            let bits = u32x4_load_extend_u16x4(from.add(i));
            let wide = if is_bf16 { u32x4_shl(bits, 16) } else { f16x4_to_f32x4(bits) };
            v128_store(to.add(i).cast(), wide);
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

//! Dot products of int8 activations with weights of up to seven bits, four rows at a time.
//!
//! `w` holds four bytes (four steps along K) of each of four rows, `x` the same four bytes of activations four times.
//! A sum has one i32 lane a row (wide) or two neighbouring i16 lanes (narrow); both are exact, so the choice is of
//! speed alone:
//!
//! - wide: `i32x4_relaxed_dot_i8x16_i7x16_add`, one instruction where the machine has a byte dot product (VNNI, Arm's
//!   dotprod), three where it has not: bare loops
//!   have 61 against 51 G multiply-adds/s of narrow on Sapphire Rapids, 41 against 83 on Zen 4;
//! - narrow: `i16x8_relaxed_dot_i8x16_i7x16` and an i16 add; eight sums of two products of 4-bit weights fit i16
//!   (8 * 2 * 15 * 127 = 30,480), two of 6-bit weights (2 * 2 * 63 * 127 = 32,004);
//! - the plain build has wide sums by two `i32x4_dot_i16x8`, of the even and of the odd bytes.

use core::arch::wasm32::*;

/// Adds the products of x and w to wide sums.
#[inline(always)]
fn dot_wide(sums: v128, x: v128, w: v128) -> v128 {
    #[cfg(target_feature = "relaxed-simd")]
    {
        i32x4_relaxed_dot_i8x16_i7x16_add(x, w, sums)
    }
    #[cfg(not(target_feature = "relaxed-simd"))]
    {
        let even = i32x4_dot_i16x8(i16x8_shr(i16x8_shl(x, 8), 8), v128_and(w, u16x8_splat(255)));
        let odd = i32x4_dot_i16x8(i16x8_shr(x, 8), u16x8_shr(w, 8));
        i32x4_add(sums, i32x4_add(even, odd))
    }
}

/// Adds the products of x and w to sums, wide or narrow.
#[inline(always)]
pub fn dot<const WIDE: bool>(sums: v128, x: v128, w: v128) -> v128 {
    if WIDE {
        return dot_wide(sums, x, w);
    }
    #[cfg(target_feature = "relaxed-simd")]
    {
        i16x8_add(sums, i16x8_relaxed_dot_i8x16_i7x16(x, w))
    }
    #[cfg(not(target_feature = "relaxed-simd"))]
    {
        unreachable!("the plain build has wide sums only")
    }
}

/// Sums as one i32 a row.
#[inline(always)]
pub fn settle<const WIDE: bool>(sums: v128) -> v128 {
    if WIDE {
        sums
    } else {
        i32x4_dot_i16x8(sums, i16x8_splat(1))
    }
}

/// `low + 16 * high` as one i32 a row.
#[inline(always)]
pub fn settle_planes<const WIDE: bool>(low: v128, high: v128) -> v128 {
    if WIDE {
        i32x4_add(low, i32x4_shl(high, 4))
    } else {
        i32x4_add(i32x4_dot_i16x8(low, i16x8_splat(1)), i32x4_dot_i16x8(high, i16x8_splat(16)))
    }
}

/// Whether wide sums are the faster ones on this machine.
///
/// Without a byte dot product, x64 multiplies unsigned by signed bytes and saturates pairs of products to i16; the
/// operands here, which no kernel would use, show whether it did.
#[inline]
pub fn wide_is_faster() -> bool {
    #[cfg(target_feature = "relaxed-simd")]
    {
        let sums = i32x4_relaxed_dot_i8x16_i7x16_add(i8x16_splat(127), i8x16_splat(-1), i32x4_splat(0));
        i32x4_extract_lane::<0>(sums) != 2 * 32767
    }
    #[cfg(not(target_feature = "relaxed-simd"))]
    {
        true
    }
}

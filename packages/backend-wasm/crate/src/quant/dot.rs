//! Dot products of int8 activations with weights of up to seven bits, or of eight, four rows at a time.
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

use super::packed::Packed;

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

/// `low + 16 * high`, narrow sums, as one i32 a row.
#[inline(always)]
pub fn settle_planes(low: v128, high: v128) -> v128 {
    i32x4_add(i32x4_dot_i16x8(low, i16x8_splat(1)), i32x4_dot_i16x8(high, i16x8_splat(16)))
}

/// The product that tells how this machine takes bytes above 127: without a loss, as unsigned or as signed ones, or
/// with one. Without a byte dot product, x64 multiplies unsigned by signed bytes and saturates pairs of products to
/// i16.
fn telling_product() -> i32 {
    i32x4_extract_lane::<0>(dot_wide(i32x4_splat(0), i8x16_splat(127), i8x16_splat(-1)))
}

const AS_UNSIGNED: i32 = 4 * 127 * 255;
const AS_SIGNED: i32 = -4 * 127;

/// Whether wide sums are the faster ones on this machine; bytes are exact in them there.
#[inline]
pub fn wide_is_faster() -> bool {
    cfg!(not(target_feature = "relaxed-simd")) || matches!(telling_product(), AS_UNSIGNED | AS_SIGNED)
}

/// How weights of eight bits, which are q + 128, are multiplied. In wide sums as the bytes they are; where the machine
/// takes those as signed, by their upper bit flipped, which is q. In narrow sums as two planes of nibbles, low and high.
#[derive(Clone, Copy)]
pub struct Bytes {
    flip: v128,
    keep: v128,
}

impl Bytes {
    /// As this machine wants it.
    #[inline]
    pub fn of_machine() -> Bytes {
        let signed = cfg!(target_feature = "relaxed-simd") && telling_product() == AS_SIGNED;
        let (flip, keep) = if signed { (128, 0) } else { (0, !0) };
        Bytes { flip: u8x16_splat(flip), keep: u32x4_splat(keep) }
    }

    /// A plane of weights.
    #[inline(always)]
    pub fn plane<F: Packed, const WIDE: bool>(self, weights: v128, plane: usize) -> v128 {
        match (F::BYTES, plane) {
            (false, _) => weights,
            _ if WIDE => v128_xor(weights, self.flip),
            (_, 0) => v128_and(weights, u8x16_splat(15)),
            _ => v128_and(u16x8_shr(weights, 4), u8x16_splat(15)),
        }
    }

    /// What is added for each unit of x, given what the format says: nothing where q itself is multiplied.
    #[inline(always)]
    pub fn offset<F: Packed>(self, offset: v128) -> v128 {
        if F::BYTES {
            v128_and(offset, self.keep)
        } else {
            offset
        }
    }
}

/// How many planes there are.
#[inline(always)]
pub const fn planes<F: Packed, const WIDE: bool>() -> usize {
    if F::BYTES && !WIDE {
        2
    } else {
        1
    }
}

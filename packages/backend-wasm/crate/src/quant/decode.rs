//! Blocks of 32 elements to f32: q4_0, q4_1, q5_0, q5_1, q8_0, iq4_nl.
//!
//! Sixteen integers at a time: nibbles are split, fifth bits put in place, offsets taken off as bytes, and `put`
//! widens to f32 and scales. Layouts: the headers of packages/core/src/quant/*.ts.

use core::arch::wasm32::*;

use crate::half::f16_to_f32;

/// What the sixteen values of q stand for, in iq4_nl and iq4_xs.
pub const LEVELS: v128 = i8x16(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);

/// The f16 at an address of any alignment.
///
/// # Safety
/// Two bytes are readable at `src`.
#[inline(always)]
pub unsafe fn read_f16(src: *const u8) -> f32 {
    // SAFETY: as promised by the caller.
    f16_to_f32(unsafe { src.cast::<u16>().read_unaligned() })
}

/// Sixteen bytes at an address of any alignment.
///
/// # Safety
/// Sixteen bytes are readable at `src`.
#[inline(always)]
pub unsafe fn load(src: *const u8) -> v128 {
    // SAFETY: as promised by the caller; the instruction takes any alignment.
    unsafe { v128_load(src.cast()) }
}

/// Low and high nibbles of sixteen bytes.
#[inline(always)]
pub fn nibbles(pairs: v128) -> [v128; 2] {
    [v128_and(pairs, u8x16_splat(15)), u8x16_shr(pairs, 4)]
}

/// Sixteen signed bytes as four vectors of f32.
#[inline(always)]
fn widen(q: v128) -> [v128; 4] {
    let (low, high) = (i16x8_extend_low_i8x16(q), i16x8_extend_high_i8x16(q));
    [
        f32x4_convert_i32x4(i32x4_extend_low_i16x8(low)),
        f32x4_convert_i32x4(i32x4_extend_high_i16x8(low)),
        f32x4_convert_i32x4(i32x4_extend_low_i16x8(high)),
        f32x4_convert_i32x4(i32x4_extend_high_i16x8(high)),
    ]
}

/// `out[i] = scale * q[i]`, i < 16. Without an offset nothing is added: -0 must stay -0.
///
/// # Safety
/// `out` takes 16 elements.
#[inline(always)]
pub unsafe fn put(q: v128, scale: f32, out: *mut f32) {
    for (i, four) in widen(q).into_iter().enumerate() {
        // SAFETY: i < 4.
        unsafe { v128_store(out.add(4 * i).cast(), f32x4_mul(four, f32x4_splat(scale))) };
    }
}

/// `out[i] = scale * q[i] + offset`, i < 16.
///
/// # Safety
/// `out` takes 16 elements.
#[inline(always)]
pub unsafe fn put_offset(q: v128, scale: f32, offset: f32, out: *mut f32) {
    for (i, four) in widen(q).into_iter().enumerate() {
        let value = f32x4_add(f32x4_mul(four, f32x4_splat(scale)), f32x4_splat(offset));
        // SAFETY: i < 4.
        unsafe { v128_store(out.add(4 * i).cast(), value) };
    }
}

/// Bits `16 * HALF` to `16 * HALF + 15` of `fifths` as bytes of 0 or 16.
#[inline(always)]
fn fifth_bits<const HALF: usize>(fifths: u32) -> v128 {
    let bytes = u16x8_splat((fifths >> (16 * HALF)) as u16);
    let spread = u8x16_shuffle::<0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1>(bytes, bytes);
    let bit = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
    v128_and(u8x16_eq(v128_and(spread, bit), bit), u8x16_splat(16))
}

/// Five bits at `src`: qh, then nibbles.
#[inline(always)]
unsafe fn five_bits(src: *const u8) -> [v128; 2] {
    // SAFETY: the callers' blocks have 20 bytes here.
    let (fifths, [low, high]) = unsafe { (src.cast::<u32>().read_unaligned(), nibbles(load(src.add(4)))) };
    [v128_or(low, fifth_bits::<0>(fifths)), v128_or(high, fifth_bits::<1>(fifths))]
}

/// # Safety
/// A block is readable at `src`, and `out` takes its 32 elements; so below.
pub unsafe fn q4_0(src: *const u8, out: *mut f32) {
    // SAFETY: 18 bytes: d, qs[16].
    unsafe {
        let d = read_f16(src);
        let [low, high] = nibbles(load(src.add(2)));
        put(i8x16_sub(low, i8x16_splat(8)), d, out);
        put(i8x16_sub(high, i8x16_splat(8)), d, out.add(16));
    }
}

/// # Safety
/// See [`q4_0`].
pub unsafe fn q4_1(src: *const u8, out: *mut f32) {
    // SAFETY: 20 bytes: d, m, qs[16].
    unsafe {
        let (d, m) = (read_f16(src), read_f16(src.add(2)));
        let [low, high] = nibbles(load(src.add(4)));
        put_offset(low, d, m, out);
        put_offset(high, d, m, out.add(16));
    }
}

/// # Safety
/// See [`q4_0`].
pub unsafe fn q5_0(src: *const u8, out: *mut f32) {
    // SAFETY: 22 bytes: d, qh, qs[16].
    unsafe {
        let d = read_f16(src);
        let [low, high] = five_bits(src.add(2));
        put(i8x16_sub(low, i8x16_splat(16)), d, out);
        put(i8x16_sub(high, i8x16_splat(16)), d, out.add(16));
    }
}

/// # Safety
/// See [`q4_0`].
pub unsafe fn q5_1(src: *const u8, out: *mut f32) {
    // SAFETY: 24 bytes: d, m, qh, qs[16].
    unsafe {
        let (d, m) = (read_f16(src), read_f16(src.add(2)));
        let [low, high] = five_bits(src.add(4));
        put_offset(low, d, m, out);
        put_offset(high, d, m, out.add(16));
    }
}

/// # Safety
/// See [`q4_0`].
pub unsafe fn q8_0(src: *const u8, out: *mut f32) {
    // SAFETY: 34 bytes: d, qs[32].
    unsafe {
        let d = read_f16(src);
        put(load(src.add(2)), d, out);
        put(load(src.add(18)), d, out.add(16));
    }
}

/// # Safety
/// See [`q4_0`].
pub unsafe fn iq4_nl(src: *const u8, out: *mut f32) {
    // SAFETY: 18 bytes: d, qs[16].
    unsafe {
        let d = read_f16(src);
        let [low, high] = nibbles(load(src.add(2)));
        put(i8x16_swizzle(LEVELS, low), d, out);
        put(i8x16_swizzle(LEVELS, high), d, out.add(16));
    }
}

//! Blocks of 256 elements to f32: q2_k, q3_k, q4_k, q5_k, q6_k, iq4_xs.
//!
//! Each is groups of 16 or 32 with small integer scales of their own. Layouts: packages/core/src/quant/*.ts.

use core::arch::wasm32::*;

use super::decode::{load, nibbles, put, put_offset, read_f16, LEVELS};

/// The scale of group `g` of q4_k and q5_k; `scales` are the block's twelve packed bytes.
///
/// # Safety
/// Twelve bytes are readable at `scales`, and g < 8; so below.
#[inline(always)]
unsafe fn group_scale(scales: *const u8, g: usize) -> u8 {
    // SAFETY: indices are below 12.
    unsafe {
        if g < 4 {
            *scales.add(g) & 63
        } else {
            *scales.add(4 + g) & 15 | *scales.add(g - 4) >> 6 << 4
        }
    }
}

/// The min of group `g` of q4_k and q5_k.
#[inline(always)]
unsafe fn group_min(scales: *const u8, g: usize) -> u8 {
    // SAFETY: indices are below 12.
    unsafe {
        if g < 4 {
            *scales.add(4 + g) & 63
        } else {
            *scales.add(4 + g) >> 4 | *scales.add(g) >> 6 << 4
        }
    }
}

/// # Safety
/// A block is readable at `src`, and `out` takes its 256 elements; so below.
pub unsafe fn q2_k(src: *const u8, out: *mut f32) {
    // SAFETY: 84 bytes: scales[16], qs[64], d, dmin; g < 16.
    unsafe {
        let (d, dmin) = (read_f16(src.add(80)), read_f16(src.add(82)));
        for g in 0..16 {
            let scale = *src.add(g);
            let lower = load(src.add(16 + (g >> 3) * 32 + (g & 1) * 16));
            let q = v128_and(u8x16_shr(lower, (g & 6) as u32), u8x16_splat(3));
            put_offset(q, d * f32::from(scale & 15), -(dmin * f32::from(scale >> 4)), out.add(g * 16));
        }
    }
}

/// # Safety
/// See [`q2_k`].
pub unsafe fn q3_k(src: *const u8, out: *mut f32) {
    // SAFETY: 110 bytes: hmask[32], qs[64], scales[12], d; g < 16.
    unsafe {
        let d = read_f16(src.add(108));
        for g in 0..16 {
            let lower = *src.add(96 + (g & 7)) >> (g >> 3 << 2) & 15;
            let upper = *src.add(104 + (g & 3)) >> (g >> 2 << 1) & 3;
            let scale = d * (f32::from(lower | upper << 4) - 32.0);
            let half = (g & 1) * 16;
            let low = v128_and(u8x16_shr(load(src.add(32 + (g >> 3) * 32 + half)), (g & 6) as u32), u8x16_splat(3));
            let third = v128_and(u8x16_shr(load(src.add(half)), (g >> 1) as u32), u8x16_splat(1));
            let q = i8x16_sub(v128_or(low, i8x16_shl(third, 2)), i8x16_splat(4));
            put(q, scale, out.add(g * 16));
        }
    }
}

/// # Safety
/// See [`q2_k`].
pub unsafe fn q4_k(src: *const u8, out: *mut f32) {
    // SAFETY: 144 bytes: d, dmin, scales[12], qs[128]; g < 8.
    unsafe {
        let (d, dmin, scales) = (read_f16(src), read_f16(src.add(2)), src.add(4));
        for g in 0..8 {
            let scale = d * f32::from(group_scale(scales, g));
            let offset = -(dmin * f32::from(group_min(scales, g)));
            for half in 0..2 {
                let q = nibbles(load(src.add(16 + (g >> 1) * 32 + half * 16)))[g & 1];
                put_offset(q, scale, offset, out.add(g * 32 + half * 16));
            }
        }
    }
}

/// # Safety
/// See [`q2_k`].
pub unsafe fn q5_k(src: *const u8, out: *mut f32) {
    // SAFETY: 176 bytes: d, dmin, scales[12], qh[32], qs[128]; g < 8.
    unsafe {
        let (d, dmin, scales) = (read_f16(src), read_f16(src.add(2)), src.add(4));
        for g in 0..8 {
            let scale = d * f32::from(group_scale(scales, g));
            let offset = -(dmin * f32::from(group_min(scales, g)));
            for half in 0..2 {
                let low = nibbles(load(src.add(48 + (g >> 1) * 32 + half * 16)))[g & 1];
                let fifth = v128_and(u8x16_shr(load(src.add(16 + half * 16)), g as u32), u8x16_splat(1));
                put_offset(v128_or(low, i8x16_shl(fifth, 4)), scale, offset, out.add(g * 32 + half * 16));
            }
        }
    }
}

/// # Safety
/// See [`q2_k`].
pub unsafe fn q6_k(src: *const u8, out: *mut f32) {
    // SAFETY: 210 bytes: ql[128], qh[64], scales[16], d; g < 16.
    unsafe {
        let d = read_f16(src.add(208));
        for g in 0..16 {
            let (half, run, start) = (g >> 3, g >> 1 & 3, (g & 1) * 16);
            let low = nibbles(load(src.add(half * 64 + (run & 1) * 32 + start)))[run >> 1];
            let upper = u8x16_shr(load(src.add(128 + half * 32 + start)), (run * 2) as u32);
            let q = v128_or(low, i8x16_shl(v128_and(upper, u8x16_splat(3)), 4));
            let scale = d * f32::from(*src.add(192 + g) as i8);
            put(i8x16_sub(q, i8x16_splat(32)), scale, out.add(g * 16));
        }
    }
}

/// # Safety
/// See [`q2_k`].
pub unsafe fn iq4_xs(src: *const u8, out: *mut f32) {
    // SAFETY: 136 bytes: d, scales_h, scales_l[4], qs[128]; g < 8.
    unsafe {
        let d = read_f16(src);
        for g in 0..8 {
            let lower = *src.add(4 + (g >> 1)) >> ((g & 1) * 4) & 15;
            let upper = *src.add(2 + (g >> 2)) >> ((g & 3) * 2) & 3;
            let scale = d * (f32::from(lower | upper << 4) - 32.0);
            let [low, high] = nibbles(load(src.add(8 + g * 16)));
            put(i8x16_swizzle(LEVELS, low), scale, out.add(g * 32));
            put(i8x16_swizzle(LEVELS, high), scale, out.add(g * 32 + 16));
        }
    }
}

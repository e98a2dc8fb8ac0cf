//! How int8 kernels read packed weights: formats as types, with their scales and weights in vectors.
//!
//! Packed, eight rows go together, and in a group of rows lie their first blocks, their second blocks, and so on.
//! Within the eight blocks of one such place, headers and scales come first, byte by byte (f16 by f16) for the eight
//! rows in turn, then the integers, 16 bytes a vector: four steps along K of each of four rows, for rows 0 to 3 and
//! for rows 4 to 7:
//!
//!     q4_0   d[8]                          128 B  nibbles: a vector has steps 0-3 of 8 low, 4-7 high
//!     q4_1   d[8] m[8]                     128 B  the same
//!     q8_0   d[8]                          256 B  bytes q + 128
//!     q4_k   d[8] dmin[8] scales[12][8]   1024 B  eight times q4_0's
//!     q6_k   d[8] scales[16][8]           1024 B  nibbles, and 512 B of upper bits: a vector has four vectors' pairs
//!
//! A place is divided into units of STEPS * 4 elements along K with one scale and offset a row: element = scale * q +
//! offset.

use core::arch::wasm32::*;

use crate::abi::dtype;

/// Rows that are interleaved.
pub const ROWS: usize = 8;

/// Vectors of the eight rows: rows 0 to 3 and rows 4 to 7.
pub type Halves = [v128; 2];

/// A packed format.
pub trait Packed {
    /// Its dtype.
    const DTYPE: u32;
    /// Vectors along K in a unit: four elements each.
    const STEPS: usize;
    /// Whether weights take all eight bits of a byte, not seven at most.
    const BYTES: bool;
    /// Units in a block.
    const UNITS: usize;
    /// Products of pairs that fit an i16.
    const NARROW_SUMS: usize;
    /// What all units of a block have in common.
    type Header: Copy;

    /// Reads the header of eight blocks.
    ///
    /// # Safety
    /// `place` points to eight packed blocks of this format.
    unsafe fn header(place: *const u8) -> Self::Header;
    /// Scales and offsets of unit `u`.
    ///
    /// # Safety
    /// As for `header`, and u is below UNITS.
    unsafe fn scales(place: *const u8, header: Self::Header, u: usize) -> (Halves, Halves);
    /// Weights of steps `2 * pair` and `2 * pair + 1` of unit `u`, rows of one half.
    ///
    /// # Safety
    /// As for `header`; u is below UNITS, pair below STEPS / 2, half below 2.
    unsafe fn weights(place: *const u8, u: usize, pair: usize, half: usize) -> [v128; 2];
}

/// Eight f16, which are finite, as f32; the way for those that are hardly ever denormal, which takes 100 cycles and more
/// on Intel then.
#[inline(always)]
unsafe fn eight_f16(from: *const u8) -> Halves {
    // SAFETY: the callers have 16 bytes there.
    let bits = unsafe { v128_load(from.cast()) };
    // The sign is extended and masked; multiplying by 2^112 puts the exponent right, denormals included.
    let convert = |wide: v128| {
        f32x4_mul(v128_and(i32x4_shl(wide, 13), u32x4_splat(0x8fff_e000)), f32x4_splat(f32::from_bits(0x7780_0000)))
    };
    [convert(i32x4_extend_low_i16x8(bits)), convert(i32x4_extend_high_i16x8(bits))]
}

/// Eight f16, which are finite, as f32; the way for scales of scales, which often are denormal. With the exponent put
/// right by adding to it, f is right where it is 2^-14 or more; below, a denormal lost its leading 1, and is 2 f - 2^-14,
/// which is less than f there and only there.
#[inline(never)] // once in 256 elements
unsafe fn eight_small_f16(from: *const u8) -> Halves {
    // SAFETY: the callers have 16 bytes there.
    let bits = unsafe { v128_load(from.cast()) };
    let convert = |wide: v128| {
        let magnitude = i32x4_shl(v128_and(wide, u32x4_splat(0x7fff)), 13);
        let f = i32x4_add(magnitude, u32x4_splat(112 << 23));
        let denormal = f32x4_sub(f32x4_add(f, f), u32x4_splat(113 << 23));
        v128_or(f32x4_pmin(f, denormal), v128_and(wide, u32x4_splat(1 << 31)))
    };
    [convert(i32x4_extend_low_i16x8(bits)), convert(i32x4_extend_high_i16x8(bits))]
}

/// Eight i16 as f32.
#[inline(always)]
fn eight_i16(values: v128) -> Halves {
    [f32x4_convert_i32x4(i32x4_extend_low_i16x8(values)), f32x4_convert_i32x4(i32x4_extend_high_i16x8(values))]
}

#[inline(always)]
fn times(a: Halves, b: Halves) -> Halves {
    [f32x4_mul(a[0], b[0]), f32x4_mul(a[1], b[1])]
}

#[inline(always)]
fn scaled(a: Halves, factor: f32) -> Halves {
    times(a, [f32x4_splat(factor); 2])
}

/// The nibbles of one vector: two steps.
#[inline(always)]
unsafe fn nibble_pair(from: *const u8) -> [v128; 2] {
    // SAFETY: the callers have 16 bytes there.
    let pairs = unsafe { v128_load(from.cast()) };
    let low = v128_and(pairs, u8x16_splat(15));
    let high = v128_and(u16x8_shr(pairs, 4), u8x16_splat(15));
    [low, high]
}

/// See the module.
pub struct Q4_0;
/// See the module.
pub struct Q4_1;
/// See the module.
pub struct Q8_0;
/// See the module.
pub struct Q4K;
/// See the module.
pub struct Q6K;

impl Packed for Q4_0 {
    const DTYPE: u32 = dtype::Q4_0;
    const STEPS: usize = 8;
    const BYTES: bool = false;
    const UNITS: usize = 1;
    const NARROW_SUMS: usize = 8;
    type Header = Halves;

    #[inline(always)]
    unsafe fn header(place: *const u8) -> Halves {
        // SAFETY: d[8] starts the place.
        unsafe { eight_f16(place) }
    }
    #[inline(always)]
    unsafe fn scales(_place: *const u8, d: Halves, _u: usize) -> (Halves, Halves) {
        (d, scaled(d, -8.0))
    }
    #[inline(always)]
    unsafe fn weights(place: *const u8, _u: usize, pair: usize, half: usize) -> [v128; 2] {
        // SAFETY: pair < 4 and half < 2: within 128 bytes after d[8].
        unsafe { nibble_pair(place.add(16 + pair * 32 + half * 16)) }
    }
}

impl Packed for Q4_1 {
    const DTYPE: u32 = dtype::Q4_1;
    const STEPS: usize = 8;
    const BYTES: bool = false;
    const UNITS: usize = 1;
    const NARROW_SUMS: usize = 8;
    type Header = (Halves, Halves);

    #[inline(always)]
    unsafe fn header(place: *const u8) -> (Halves, Halves) {
        // SAFETY: d[8] and m[8] start the place.
        unsafe { (eight_f16(place), eight_f16(place.add(16))) }
    }
    #[inline(always)]
    unsafe fn scales(_place: *const u8, header: (Halves, Halves), _u: usize) -> (Halves, Halves) {
        header
    }
    #[inline(always)]
    unsafe fn weights(place: *const u8, _u: usize, pair: usize, half: usize) -> [v128; 2] {
        // SAFETY: pair < 4 and half < 2: within 128 bytes after d[8] and m[8].
        unsafe { nibble_pair(place.add(32 + pair * 32 + half * 16)) }
    }
}

impl Packed for Q8_0 {
    const DTYPE: u32 = dtype::Q8_0;
    const STEPS: usize = 8;
    const BYTES: bool = true;
    const UNITS: usize = 1;
    const NARROW_SUMS: usize = 8;
    type Header = Halves;

    #[inline(always)]
    unsafe fn header(place: *const u8) -> Halves {
        // SAFETY: d[8] starts the place.
        unsafe { eight_f16(place) }
    }
    #[inline(always)]
    unsafe fn scales(_place: *const u8, d: Halves, _u: usize) -> (Halves, Halves) {
        (d, scaled(d, -128.0))
    }
    #[inline(always)]
    unsafe fn weights(place: *const u8, _u: usize, pair: usize, half: usize) -> [v128; 2] {
        // SAFETY: pair < 4 and half < 2: both vectors lie within 256 bytes after d[8].
        unsafe {
            let first = place.add(16 + pair * 64 + half * 16);
            [v128_load(first.cast()), v128_load(first.add(32).cast())]
        }
    }
}

impl Packed for Q4K {
    const DTYPE: u32 = dtype::Q4_K;
    const STEPS: usize = 8;
    const BYTES: bool = false;
    const UNITS: usize = 8;
    const NARROW_SUMS: usize = 8;
    type Header = (Halves, Halves);

    #[inline(always)]
    unsafe fn header(place: *const u8) -> (Halves, Halves) {
        // SAFETY: d[8] and dmin[8] start the place.
        unsafe { (eight_small_f16(place), scaled(eight_small_f16(place.add(16)), -1.0)) }
    }
    /// The six-bit scales and mins, put together as k_scales.ts says, for eight rows at once.
    #[inline(always)]
    unsafe fn scales(place: *const u8, (d, dmin): (Halves, Halves), u: usize) -> (Halves, Halves) {
        // SAFETY: i < 12: scales[12][8] follow at 32.
        let bytes = |i: usize| unsafe { u16x8_load_extend_u8x8(place.add(32 + i * 8)) };
        let (six, four) = (u16x8_splat(63), u16x8_splat(15));
        let (scale, min) = if u < 4 {
            (v128_and(bytes(u), six), v128_and(bytes(4 + u), six))
        } else {
            let lower = bytes(4 + u);
            let upper = |i: usize| u16x8_shl(u16x8_shr(bytes(i), 6), 4);
            (v128_or(v128_and(lower, four), upper(u - 4)), v128_or(u16x8_shr(lower, 4), upper(u)))
        };
        (times(d, eight_i16(scale)), times(dmin, eight_i16(min)))
    }
    #[inline(always)]
    unsafe fn weights(place: *const u8, u: usize, pair: usize, half: usize) -> [v128; 2] {
        // SAFETY: u < 8, pair < 4, half < 2: within 1024 bytes at 128.
        unsafe { nibble_pair(place.add(128 + u * 128 + pair * 32 + half * 16)) }
    }
}

impl Packed for Q6K {
    const DTYPE: u32 = dtype::Q6_K;
    const STEPS: usize = 4;
    const BYTES: bool = false;
    const UNITS: usize = 16;
    const NARROW_SUMS: usize = 2;
    type Header = Halves;

    #[inline(always)]
    unsafe fn header(place: *const u8) -> Halves {
        // SAFETY: d[8] starts the place.
        unsafe { eight_small_f16(place) }
    }
    #[inline(always)]
    unsafe fn scales(place: *const u8, d: Halves, u: usize) -> (Halves, Halves) {
        // SAFETY: u < 16: scales[16][8] follow at 16.
        let scale = times(d, eight_i16(unsafe { i16x8_load_extend_i8x8(place.add(16 + u * 8).cast()) }));
        (scale, scaled(scale, -32.0))
    }
    #[inline(always)]
    unsafe fn weights(place: *const u8, u: usize, pair: usize, half: usize) -> [v128; 2] {
        // SAFETY: u < 16, pair < 2, half < 2: within 1024 bytes at 144, and 512 bytes at 1168.
        let ([low, high], upper) = unsafe {
            (
                nibble_pair(place.add(144 + u * 64 + pair * 32 + half * 16)),
                v128_load(place.add(1168 + u * 32 + half * 16).cast()),
            )
        };
        let bits = u8x16_splat(0x30);
        let (first, second) =
            if pair == 0 { (u16x8_shl(upper, 4), u16x8_shl(upper, 2)) } else { (upper, u16x8_shr(upper, 2)) };
        [v128_or(low, v128_and(first, bits)), v128_or(high, v128_and(second, bits))]
    }
}

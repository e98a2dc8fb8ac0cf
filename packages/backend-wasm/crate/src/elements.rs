//! From stored elements to numbers and back, a strided stretch at a time: so that kernels compute on contiguous f32, f64 or
//! i32 and are compiled once for each of these, whatever the dtypes and strides of their operands.
//!
//! Floats to ints truncate toward zero and stop at the ends of the range, NaN gives 0; ints to shorter ints wrap; anything
//! but 0 is true.

use core::ptr::copy_nonoverlapping;

use crate::abi::dtype;
use crate::half::{bf16_to_f32, f16_to_f32, f32_to_bf16, f32_to_f16, narrow_row, widen_row};

/// Elements a kernel converts at a time: they stay in the first cache, and pay for the call.
pub const PIECE: usize = 1024;

/// Whether elements are f16 or bf16.
#[inline]
pub fn is_half(code: u32) -> bool {
    code == dtype::F16 || code == dtype::BF16
}

/// Whether elements are ints or bools.
#[inline]
pub fn is_int(code: u32) -> bool {
    matches!(code, dtype::I32 | dtype::U8 | dtype::BOOL)
}

/// # Safety
/// Elements `at + i * stride` for i < n of `from` are readable, and `to` takes n.
#[inline(never)]
#[optimize(size)]
unsafe fn load<S: Copy, T>(from: *const u8, at: usize, stride: usize, n: usize, to: *mut T, convert: impl Fn(S) -> T) {
    // SAFETY: as promised by the caller.
    unsafe {
        let from = from.cast::<S>().add(at);
        for i in 0..n {
            to.add(i).write(convert(*from.add(i * stride)));
        }
    }
}

/// # Safety
/// `from` has n elements, and elements `at + i * stride` for i < n of `to` are writable.
#[inline(never)]
#[optimize(size)]
unsafe fn store<S: Copy, T>(from: *const S, to: *mut u8, at: usize, stride: usize, n: usize, convert: impl Fn(S) -> T) {
    // SAFETY: as promised by the caller.
    unsafe {
        let to = to.cast::<T>().add(at);
        for i in 0..n {
            to.add(i * stride).write(convert(*from.add(i)));
        }
    }
}

/// n elements of f32, f16 or bf16 as contiguous f32: where they lie, or in `room`.
///
/// # Safety
/// Elements `at + i * stride` for i < n of `from` are readable, and `room` takes n.
pub unsafe fn load_f32(code: u32, from: *const u8, at: usize, stride: usize, n: usize, room: *mut f32) -> *const f32 {
    // SAFETY: as promised by the caller.
    unsafe {
        match (code, stride) {
            (dtype::F32, 1) => return from.cast::<f32>().add(at),
            (dtype::F32, _) => load(from, at, stride, n, room, |x: f32| x),
            (_, 1) => widen_row(code == dtype::BF16, from.cast::<u16>().add(at), room, n),
            (dtype::F16, _) => load(from, at, stride, n, room, f16_to_f32),
            _ => load(from, at, stride, n, room, bf16_to_f32),
        }
        room
    }
}

/// n elements of any dtype but blocks as contiguous f64: where they lie, or in `room`.
///
/// # Safety
/// As `load_f32`.
pub unsafe fn load_f64(code: u32, from: *const u8, at: usize, stride: usize, n: usize, room: *mut f64) -> *const f64 {
    // SAFETY: as promised by the caller.
    unsafe {
        match code {
            dtype::F64 if stride == 1 => return from.cast::<f64>().add(at),
            dtype::F64 => load(from, at, stride, n, room, |x: f64| x),
            dtype::F32 => load(from, at, stride, n, room, |x: f32| f64::from(x)),
            dtype::F16 => load(from, at, stride, n, room, |x| f64::from(f16_to_f32(x))),
            dtype::BF16 => load(from, at, stride, n, room, |x| f64::from(bf16_to_f32(x))),
            dtype::I32 => load(from, at, stride, n, room, |x: i32| f64::from(x)),
            _ => load(from, at, stride, n, room, |x: u8| f64::from(x)),
        }
        room
    }
}

/// n ints or bools as contiguous i32: where they lie, or in `room`.
///
/// # Safety
/// As `load_f32`.
pub unsafe fn load_i32(code: u32, from: *const u8, at: usize, stride: usize, n: usize, room: *mut i32) -> *const i32 {
    // SAFETY: as promised by the caller.
    unsafe {
        match (code, stride) {
            (dtype::I32, 1) => return from.cast::<i32>().add(at),
            (dtype::I32, _) => load(from, at, stride, n, room, |x: i32| x),
            _ => load(from, at, stride, n, room, |x: u8| i32::from(x)),
        }
        room
    }
}

/// Stores n f32 as elements of f32, f16 or bf16.
///
/// # Safety
/// `from` has n elements, and elements `at + i * stride` for i < n of `to` are writable.
pub unsafe fn store_f32(code: u32, from: *const f32, to: *mut u8, at: usize, stride: usize, n: usize) {
    // SAFETY: as promised by the caller.
    unsafe {
        match (code, stride) {
            (dtype::F32, 1) => copy_nonoverlapping(from, to.cast::<f32>().add(at), n),
            (dtype::F32, _) => store(from, to, at, stride, n, |x| x),
            (_, 1) => narrow_row(code == dtype::BF16, from, to.cast::<u16>().add(at), n),
            (dtype::F16, _) => store(from, to, at, stride, n, f32_to_f16),
            _ => store(from, to, at, stride, n, f32_to_bf16),
        }
    }
}

/// Stores n numbers as elements of any dtype but blocks; `ints` says that they come from ints, and wrap.
///
/// # Safety
/// As `store_f32`.
pub unsafe fn store_f64(code: u32, ints: bool, from: *const f64, to: *mut u8, at: usize, stride: usize, n: usize) {
    // SAFETY: as promised by the caller.
    unsafe {
        match code {
            dtype::F64 => store(from, to, at, stride, n, |x| x),
            dtype::F32 => store(from, to, at, stride, n, |x| x as f32),
            dtype::F16 => store(from, to, at, stride, n, |x| f32_to_f16(x as f32)),
            dtype::BF16 => store(from, to, at, stride, n, |x| f32_to_bf16(x as f32)),
            dtype::I32 => store(from, to, at, stride, n, |x| x as i32),
            dtype::BOOL => store(from, to, at, stride, n, |x| u8::from(x != 0.0)),
            _ if ints => store(from, to, at, stride, n, |x| x as i32 as u8),
            _ => store(from, to, at, stride, n, |x| x as u8),
        }
    }
}

/// Stores n i32 as elements of an int or bool dtype; shorter ones wrap.
///
/// # Safety
/// As `store_f32`.
pub unsafe fn store_i32(code: u32, from: *const i32, to: *mut u8, at: usize, stride: usize, n: usize) {
    // SAFETY: as promised by the caller.
    unsafe {
        match code {
            dtype::I32 => store(from, to, at, stride, n, |x| x),
            dtype::BOOL => store(from, to, at, stride, n, |x| u8::from(x != 0)),
            _ => store(from, to, at, stride, n, |x| x as u8),
        }
    }
}

/// Where elements of one size are moved from or to: offset and stride in elements.
#[derive(Clone, Copy)]
pub struct Place {
    /// Start of the buffer.
    pub ptr: *mut u8,
    /// The first element.
    pub at: usize,
    /// Elements from one to the next.
    pub stride: usize,
}

/// Moves n elements of `bytes` bytes as they are stored.
///
/// # Safety
/// The elements of `from` are readable, those of `to` writable and none of `from`.
pub unsafe fn move_row(bytes: usize, from: Place, to: Place, n: usize) {
    /// # Safety
    /// As above, for elements like T.
    #[inline]
    unsafe fn moved<T: Copy>(from: Place, to: Place, n: usize) {
        // SAFETY: as promised by the caller.
        unsafe {
            let source = from.ptr.cast::<T>().add(from.at);
            let target = to.ptr.cast::<T>().add(to.at);
            if from.stride == 1 && to.stride == 1 && n >= 8 {
                return copy_nonoverlapping(source, target, n);
            }
            for i in 0..n {
                *target.add(i * to.stride) = *source.add(i * from.stride);
            }
        }
    }
    // SAFETY: as promised by the caller.
    unsafe {
        match bytes {
            1 => moved::<u8>(from, to, n),
            2 => moved::<u16>(from, to, n),
            4 => moved::<u32>(from, to, n),
            _ => moved::<u64>(from, to, n),
        }
    }
}

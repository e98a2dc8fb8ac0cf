//! Packing: lines of an operand (rows of a, columns of b), any strides and float dtype, into panels of f32.
//!
//! A panel holds W lines side by side, `[K, W]`: what the micro-kernel reads in order. Missing lines are zeros.
//! Where K is gapless, squares of 4x4 are transposed in registers; where the lines lie side by side, W elements a step
//! are copied or widened; else the lines are gathered first.

use core::arch::wasm32::*;

use crate::abi::dtype;
use crate::half::{bf16_to_f32, f16_to_f32, widen_row};

/// The longest K of a panel: 8 KiB of b in the first cache level, and sums of few terms.
pub const MAX_K: usize = 256;
/// The widest panel.
const MAX_WIDTH: usize = 8;

/// Vectors of length `k` that are multiplied: rows of a, or columns of b.
#[derive(Clone, Copy)]
pub struct Lines {
    /// First element of the first line.
    pub ptr: *const u8,
    /// f32, f16, bf16 or f64.
    pub dtype: u32,
    /// How many.
    pub count: usize,
    /// Their length.
    pub k: usize,
    /// Elements from line to line.
    pub line_stride: usize,
    /// Elements from step to step.
    pub k_stride: usize,
}

// SAFETY: lines are only read, and nobody writes inputs during a call.
unsafe impl Sync for Lines {}

impl Lines {
    /// Whether elements are f16 or bf16.
    pub fn is_half(&self) -> bool {
        matches!(self.dtype, dtype::F16 | dtype::BF16)
    }

    /// Where an element lies.
    ///
    /// # Safety
    /// There are such a line and such a step.
    pub unsafe fn at(&self, line: usize, k: usize) -> *const u8 {
        // SAFETY: the host has checked that the operand lies in its buffer.
        unsafe { self.ptr.add((line * self.line_stride + k * self.k_stride) * dtype::element_bytes(self.dtype)) }
    }

    /// Steps `k..k + n` of a line, widened.
    ///
    /// # Safety
    /// There are such steps, and `to` has room for n.
    pub unsafe fn read(&self, line: usize, k: usize, n: usize, to: *mut f32) {
        // SAFETY: as the caller promises.
        unsafe { read_strided(self.dtype, self.at(line, k), self.k_stride, n, to) }
    }
}

/// `n` elements, `stride` apart, widened (f64: narrowed) to f32.
///
/// # Safety
/// There are such elements, and `to` has room for n.
unsafe fn read_strided(from_dtype: u32, from: *const u8, stride: usize, n: usize, to: *mut f32) {
    let (words, halves, doubles) = (from.cast::<f32>(), from.cast::<u16>(), from.cast::<f64>());
    // SAFETY: i < n, and the dtype says which of the pointers holds.
    unsafe {
        match from_dtype {
            dtype::F16 | dtype::BF16 if stride == 1 => widen_row(from_dtype == dtype::BF16, halves, to, n),
            dtype::F16 => (0..n).for_each(|i| *to.add(i) = f16_to_f32(*halves.add(i * stride))),
            dtype::BF16 => (0..n).for_each(|i| *to.add(i) = bf16_to_f32(*halves.add(i * stride))),
            dtype::F64 => (0..n).for_each(|i| *to.add(i) = *doubles.add(i * stride) as f32),
            _ => (0..n).for_each(|i| *to.add(i) = *words.add(i * stride)),
        }
    }
}

/// Packs lines `first..first + count`, steps `k..k + n`, into panels that follow each other.
///
/// # Safety
/// There are such lines and steps, `n <= MAX_K`, `W <= MAX_WIDTH`, and `to` has room for whole panels.
pub unsafe fn pack<const W: usize>(lines: &Lines, first: usize, count: usize, k: usize, n: usize, to: *mut f32) {
    let f32_lines = lines.dtype == dtype::F32;
    let side_by_side = lines.line_stride == 1 && (f32_lines || lines.is_half());
    let whole = if side_by_side { count / W } else { 0 };
    // SAFETY: only lines below `first + count` are read; panel i has its own place.
    unsafe {
        if side_by_side {
            copy::<W>(lines, first, whole, k, n, to);
        }
        for i in whole..count.div_ceil(W) {
            let (first, count, to) = (first + i * W, W.min(count - i * W), to.add(i * n * W));
            if count == W && f32_lines && lines.k_stride == 1 {
                transpose::<W>(lines.at(first, k).cast(), lines.line_stride, n, to);
            } else {
                gather::<W>(lines, first, count, k, n, to);
            }
        }
    }
}

/// Panels of lines that lie side by side: step by step through all of them, as memory goes.
///
/// # Safety
/// As `pack`, with `panels * W` lines of f32, f16 or bf16.
unsafe fn copy<const W: usize>(lines: &Lines, first: usize, panels: usize, k: usize, n: usize, to: *mut f32) {
    // SAFETY: as the caller promises.
    unsafe {
        for i in 0..n {
            let from = lines.at(first, k + i);
            for j in 0..panels {
                let to = to.add((j * n + i) * W);
                if !lines.is_half() {
                    for l in (0..W).step_by(4) {
                        v128_store(to.add(l).cast(), v128_load(from.cast::<f32>().add(j * W + l).cast()));
                    }
                } else {
                    widen_row(lines.dtype == dtype::BF16, from.cast::<u16>().add(j * W), to, W);
                }
            }
        }
    }
}

/// One panel of any lines, by way of lines without gaps; those that are missing are zeros.
///
/// # Safety
/// As `pack`, with `count <= W` lines.
unsafe fn gather<const W: usize>(lines: &Lines, first: usize, count: usize, k: usize, n: usize, to: *mut f32) {
    let mut gathered = [0f32; MAX_WIDTH * MAX_K];
    // SAFETY: a gathered line has room for MAX_K steps.
    unsafe {
        for i in 0..count {
            lines.read(first + i, k, n, gathered.as_mut_ptr().add(i * MAX_K));
        }
        transpose::<W>(gathered.as_ptr(), MAX_K, n, to);
    }
}

/// W lines of n gapless steps, `stride` apart, to `[n, W]`.
///
/// # Safety
/// As it says.
unsafe fn transpose<const W: usize>(from: *const f32, stride: usize, n: usize, to: *mut f32) {
    let whole = n & !3;
    // SAFETY: i + 4 <= n in the first loop, i < n in the second; lines below W.
    unsafe {
        for i in (0..whole).step_by(4) {
            for j in (0..W).step_by(4) {
                let line = |l: usize| v128_load(from.add((j + l) * stride + i).cast());
                let square = transpose_4x4([line(0), line(1), line(2), line(3)]);
                for (l, row) in square.into_iter().enumerate() {
                    v128_store(to.add((i + l) * W + j).cast(), row);
                }
            }
        }
        for i in whole..n {
            for j in 0..W {
                *to.add(i * W + j) = *from.add(j * stride + i);
            }
        }
    }
}

#[inline(always)]
fn transpose_4x4(rows: [v128; 4]) -> [v128; 4] {
    let [a, b, c, d] = rows;
    let (ab_low, ab_high) = (i32x4_shuffle::<0, 4, 1, 5>(a, b), i32x4_shuffle::<2, 6, 3, 7>(a, b));
    let (cd_low, cd_high) = (i32x4_shuffle::<0, 4, 1, 5>(c, d), i32x4_shuffle::<2, 6, 3, 7>(c, d));
    [
        i64x2_shuffle::<0, 2>(ab_low, cd_low),
        i64x2_shuffle::<1, 3>(ab_low, cd_low),
        i64x2_shuffle::<0, 2>(ab_high, cd_high),
        i64x2_shuffle::<1, 3>(ab_high, cd_high),
    ]
}

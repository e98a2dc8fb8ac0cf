//! Rows of activations: as f32 without gaps, and as int8.
//!
//! int8: blocks of 32 along K (16 for q6_k, whose scales are as fine): `d = max |x| / 127`, `q = round(x / d)`, and
//! `sum = d * Σ q`, by which a weight's offset is multiplied. For normally distributed x the error of `d * q` is 3e-5
//! of the variance (d is about 0.019 σ, the rounding's variance d² / 12), and so is that of a product with
//! independent weights. A block with an infinity or NaN gets such a scale, and so do all products with it.

use core::arch::wasm32::*;
use core::ops::Range;

use crate::abi::{dtype, Operand};
use crate::half::widen_row;
use crate::pool::parallel_for;

/// The rows `[batch…, M]` of a matmul's left operand, in order, each of K elements.
pub struct Rows<'a> {
    a: &'a Operand,
    /// Sizes of the dims that are walked: those of the result but the last.
    shape: &'a [u32],
    /// K.
    pub k: usize,
}

// SAFETY: only read.
unsafe impl Sync for Rows<'_> {}

impl<'a> Rows<'a> {
    /// The rows of `a` for a result `out`, which has the same batch dims.
    pub fn new(a: &'a Operand, out: &'a Operand) -> Rows<'a> {
        Rows { a, shape: &out.shape[..out.rank() - 1], k: a.size_from_end(0) }
    }

    /// The address of element `from` of row `row`, and the step to the next in elements.
    fn at(&self, row: usize, from: usize) -> (*const u8, usize) {
        let mut rest = row;
        let mut element = self.a.offset as usize;
        for (d, &n) in self.shape.iter().enumerate().rev() {
            element += rest % n as usize * self.a.stride(d);
            rest /= n as usize;
        }
        let step = self.a.stride_from_end(0);
        // SAFETY: row and from are below the sizes, so the element lies in the buffer, as the host has checked.
        let address = unsafe { self.a.ptr.add((element + from * step) * dtype::element_bytes(self.a.dtype)) };
        (address, step)
    }

    /// Where row `row` lies if it is f32 without gaps.
    pub fn direct(&self, row: usize) -> Option<*const f32> {
        let (address, step) = self.at(row, 0);
        (self.a.dtype == dtype::F32 && step == 1).then_some(address.cast())
    }

    /// Elements `from..from + n` of a row as f32, written to `to`.
    ///
    /// # Safety
    /// They are elements of the row, and `to` takes them.
    pub unsafe fn read(&self, row: usize, from: usize, n: usize, to: *mut f32) {
        let (address, step) = self.at(row, from);
        // SAFETY: as promised by the caller.
        unsafe {
            if self.a.dtype == dtype::F32 {
                for i in 0..n {
                    *to.add(i) = *address.cast::<f32>().add(i * step);
                }
            } else if step == 1 {
                widen_row(self.a.dtype == dtype::BF16, address.cast(), to, n);
            } else {
                for i in 0..n {
                    widen_row(self.a.dtype == dtype::BF16, address.cast::<u16>().add(i * step), to.add(i), 1);
                }
            }
        }
    }

    /// Writes rows `rows` without gaps to `to`.
    ///
    /// # Safety
    /// `to` takes them.
    pub unsafe fn read_all(&self, rows: Range<usize>, to: *mut f32) {
        for (i, row) in rows.enumerate() {
            // SAFETY: as promised by the caller.
            unsafe { self.read(row, 0, self.k, to.add(i * self.k)) };
        }
    }
}

/// Rows of int8 activations, `height` (1 or 4) at a time: for each block along K, and each four elements of it, those
/// of the rows in turn; scales and sums likewise, block by block. Memory is the caller's: `bytes` of it.
#[derive(Clone, Copy)]
pub struct Int8Rows {
    q: *mut i8,
    scales: *mut f32,
    sums: *mut f32,
    /// Rows that lie together.
    pub height: usize,
    /// K.
    pub k: usize,
    /// Elements of a block.
    block: usize,
    /// Blocks of a row.
    pub blocks: usize,
}

// SAFETY: written by `quantize` in rows of their own, then only read.
unsafe impl Sync for Int8Rows {}

impl Int8Rows {
    /// Bytes that `rows` rows take.
    pub fn bytes(rows: usize, k: usize, block: usize) -> usize {
        rows * (k + 8 * (k / block))
    }

    /// Rows in memory of the caller's.
    ///
    /// # Safety
    /// `memory` has `bytes(rows, k, block)` bytes and is 16-byte aligned; k is a multiple of block, block of 16, and
    /// rows of height.
    pub unsafe fn new(memory: *mut u8, rows: usize, height: usize, k: usize, block: usize) -> Int8Rows {
        let blocks = k / block;
        // SAFETY: the three parts follow each other within `bytes`.
        unsafe {
            let scales = memory.add(rows * k).cast::<f32>();
            Int8Rows { q: memory.cast(), scales, sums: scales.add(rows * blocks), height, k, block, blocks }
        }
    }

    /// Steps of four elements in a block.
    #[inline(always)]
    pub fn steps(&self) -> usize {
        self.block / 4
    }

    /// Where the rows from `row` on lie, a multiple of height: their bytes, their blocks' scales and sums.
    ///
    /// # Safety
    /// `row` is one of the rows.
    #[inline(always)]
    pub unsafe fn rows(&self, row: usize) -> (*const i8, *const f32, *const f32) {
        // SAFETY: as promised by the caller.
        unsafe { (self.q.add(row * self.k), self.scales.add(row * self.blocks), self.sums.add(row * self.blocks)) }
    }

    /// Quantises rows `range` to rows 0 and on.
    ///
    /// # Safety
    /// There is room for as many rows.
    pub unsafe fn quantize(&self, rows: &Rows, range: Range<usize>) {
        let grain = (1 << 15) / self.k + 1; // some 10 µs
        parallel_for(range.len(), grain, |part| {
            for row in part {
                // SAFETY: no other part has this row.
                unsafe { self.quantize_row(rows, range.start + row, row) };
            }
        });
    }

    unsafe fn quantize_row(&self, rows: &Rows, from: usize, to: usize) {
        let mut copy = [0f32; 32];
        let mut q = [0i8; 32];
        let direct = rows.direct(from);
        let (height, lane) = (self.height, to % self.height);
        for b in 0..self.blocks {
            // SAFETY: block b of K elements; `copy` and `q` take a block; rows to - lane .. to - lane + height are
            // there.
            unsafe {
                let x = match direct {
                    Some(row) => row.add(b * self.block),
                    None => {
                        rows.read(from, b * self.block, self.block, copy.as_mut_ptr());
                        copy.as_ptr()
                    }
                };
                let quantize = if self.block == 32 { quantize_block::<8> } else { quantize_block::<4> };
                let (scale, sum) = quantize(x, q.as_mut_ptr());
                let at = (to - lane) * self.blocks + b * height + lane;
                (*self.scales.add(at), *self.sums.add(at)) = (scale, sum);
                let words = self.q.add((to - lane) * self.k + b * self.block * height + lane * 4).cast::<u32>();
                for i in 0..self.block / 4 {
                    *words.add(i * height) = q.as_ptr().cast::<u32>().add(i).read_unaligned();
                }
            }
        }
    }
}

/// Quantises `4 * FOURS` elements; returns d and d * Σ q.
#[inline(always)]
unsafe fn quantize_block<const FOURS: usize>(x: *const f32, q: *mut i8) -> (f32, f32) {
    // SAFETY: i < FOURS; the callers have a block at x and at q.
    unsafe {
        let mut most = f32x4_splat(0.0);
        for i in 0..FOURS {
            most = f32x4_max(most, f32x4_abs(v128_load(x.add(4 * i).cast()))); // NaN wins
        }
        most = f32x4_max(most, i32x4_shuffle::<2, 3, 0, 1>(most, most));
        most = f32x4_max(most, i32x4_shuffle::<1, 0, 3, 2>(most, most));
        let most = f32x4_extract_lane::<0>(most);
        let d = most / 127.0;
        let inverse = f32x4_splat(if most == 0.0 { 0.0 } else { 127.0 / most });
        let mut sums = i32x4_splat(0);
        let round = |i: usize| {
            let scaled = f32x4_mul(v128_load(x.add(4 * i).cast()), inverse);
            i32x4_trunc_sat_f32x4(f32x4_nearest(scaled))
        };
        for i in (0..FOURS).step_by(4) {
            let fours = [round(i), round(i + 1), round(i + 2), round(i + 3)];
            sums = i32x4_add(sums, i32x4_add(i32x4_add(fours[0], fours[1]), i32x4_add(fours[2], fours[3])));
            let eights = [i16x8_narrow_i32x4(fours[0], fours[1]), i16x8_narrow_i32x4(fours[2], fours[3])];
            v128_store(q.add(4 * i).cast(), i8x16_narrow_i16x8(eights[0], eights[1]));
        }
        sums = i32x4_add(sums, i32x4_shuffle::<2, 3, 0, 1>(sums, sums));
        let sum = i32x4_extract_lane::<0>(sums) + i32x4_extract_lane::<1>(sums);
        (d, d * sum as f32)
    }
}

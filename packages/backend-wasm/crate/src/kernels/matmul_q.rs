//! `[batch…, M, K] x [batch…, K, N] -> [batch…, M, N]` with b of blocks, along K (a weight `[N, K]`, transposed) or
//! along N.
//!
//! int8: activations are quantised to int8 blocks and multiplied in integers, where b is a packed weight
//! (`quant::pack`) and the product takes whole rows of it: `matvec_q_int8` for up to three rows, `matmul_q_int8` for
//! more. Everything else is decoded to f32 and multiplied in f32: `matmul_q_f32`.
//!
//! A b without batch dims of its own multiplies all rows `[batch…, M]` at once. Rows are taken some hundreds at a
//! time, so that their int8 form stays in the second-level cache while all of b passes by.

use core::ops::Range;

use super::matmul_q_f32::{multiply_along_k, multiply_along_n};
use super::matmul_q_int8::multiply_int8;
use super::matvec_q_int8::matvec_int8;
use crate::abi::{code, dtype, Operand};
use crate::half::narrow_row;
use crate::pool::scratch;
use crate::quant::activations::{Int8Rows, Rows};
use crate::quant::pack::Geometry;
use crate::quant::packed::{Packed, Q4K, Q4_0, Q4_1, Q6K, Q8_0, ROWS};
use crate::quant::{block_bytes, block_size};

/// The result as a matrix of all rows.
pub struct Out {
    ptr: *mut u8,
    dtype: u32,
    /// N.
    pub n: usize,
}

// SAFETY: ranges of `parallel_for` write columns of their own.
unsafe impl Sync for Out {}

impl Out {
    /// Writes `count` elements of a row.
    ///
    /// # Safety
    /// They are elements of the row, and nobody else writes them now.
    #[inline(never)] // many places, and small beside the sums
    pub unsafe fn store(&self, row: usize, column: usize, from: *const f32, count: usize) {
        let at = row * self.n + column;
        // SAFETY: as promised by the caller.
        unsafe {
            if self.dtype == dtype::F32 {
                core::ptr::copy_nonoverlapping(from, self.ptr.cast::<f32>().add(at), count);
            } else {
                narrow_row(self.dtype == dtype::BF16, from, self.ptr.cast::<u16>().add(at), count);
            }
        }
    }
}

/// The matrix of b that multiplies some rows.
pub struct Weight<'a> {
    /// The operand.
    pub b: &'a Operand,
    /// Where the matrix starts, in elements.
    pub start: usize,
}

// SAFETY: only read.
unsafe impl Sync for Weight<'_> {}

impl Weight<'_> {
    /// Elements of a block.
    pub fn block(&self) -> usize {
        block_size(self.b.dtype)
    }

    /// Elements to step along N.
    pub fn step(&self) -> usize {
        self.b.stride_from_end(0)
    }

    /// Bytes of eight rows of `k` elements.
    pub fn bytes(&self, k: usize) -> usize {
        ROWS * k / self.block() * block_bytes(self.b.dtype)
    }

    /// The packed groups that its columns start with, if it takes whole rows of them.
    fn packed_groups(&self, k: usize, n: usize) -> Groups {
        let Geometry { groups, row_blocks } = Geometry::of(self.b.packed);
        if groups == 0
            || row_blocks * self.block() != k
            || (self.step() != k && n > 1)
            || !self.start.is_multiple_of(ROWS * k)
        {
            return NO_GROUPS;
        }
        let first = self.start / (ROWS * k);
        let count = (n / ROWS).min(groups.saturating_sub(first));
        Groups { address: self.b.ptr.wrapping_add(first * self.bytes(k)), count }
    }
}

/// Multiplies; `int8` allows activations to be quantised.
///
/// # Safety
/// Operands as the host checks them: a f32, f16 or bf16, b of blocks, out f32, f16 or bf16 without gaps at offset 0.
pub unsafe fn matmul_blocks(a: &Operand, b: &Operand, out: &Operand, int8: bool) -> u32 {
    let (k, n) = (a.size_from_end(0), out.size_from_end(0));
    let size = block_size(b.dtype);
    let along_k = k.is_multiple_of(size) && b.stride_from_end(1) == 1;
    if !along_k && (!n.is_multiple_of(size) || b.stride_from_end(0) != 1) {
        return code::UNSUPPORTED;
    }
    let rows = Rows::new(a, out);
    let all = out.numel() / n;
    let to = Out { ptr: out.ptr, dtype: out.dtype, n };
    let batch = out.rank() - 2;
    let shared = (0..batch).all(|d| b.stride(d) == 0 || b.size(d) == 1);
    let height = if shared { all } else { out.size_from_end(1) };
    for first in (0..all).step_by(height) {
        let weight = Weight { b, start: start_of(b, out, first / out.size_from_end(1)) };
        let range = first..first + height;
        // SAFETY: ranges are rows of out; the matrix is b's for these rows.
        unsafe {
            if along_k {
                multiply(&rows, range, &weight, &to, int8);
            } else {
                multiply_along_n(&rows, range, &weight, &to);
            }
        }
    }
    code::OK
}

/// Where the matrix of b for batch element `index` starts, in elements.
fn start_of(b: &Operand, out: &Operand, index: usize) -> usize {
    let mut rest = index;
    let mut start = b.offset as usize;
    for d in (0..out.rank() - 2).rev() {
        start += rest % out.size(d) * b.stride(d);
        rest /= out.size(d);
    }
    start
}

/// Packed columns in int8 where that is allowed, the others in f32.
unsafe fn multiply(rows: &Rows, range: Range<usize>, weight: &Weight, out: &Out, int8: bool) {
    let groups = weight.packed_groups(rows.k, out.n);
    // SAFETY: the groups are those of the first columns.
    unsafe {
        if !int8 || groups.count == 0 {
            return multiply_along_k(rows, range, weight, groups, 0..out.n, out);
        }
        multiply_packed(weight.b.dtype, rows, range.clone(), groups, out);
        multiply_along_k(rows, range, weight, NO_GROUPS, groups.count * ROWS..out.n, out);
    }
}

/// Groups of eight packed rows, one after another.
#[derive(Clone, Copy)]
pub struct Groups {
    address: *const u8,
    /// How many.
    pub count: usize,
}

const NO_GROUPS: Groups = Groups { address: core::ptr::null(), count: 0 };

// SAFETY: only read.
unsafe impl Sync for Groups {}

impl Groups {
    /// Where group `i` lies; `bytes` are those of a group.
    #[inline(always)]
    pub fn at(&self, i: usize, bytes: usize) -> *const u8 {
        self.address.wrapping_add(i * bytes)
    }
}

/// Rows of int8 activations that are kept at a time: at most so many, and so many bytes, within 512 kB of cache.
const MAX_ROWS: usize = 256;
const MAX_BYTES: usize = 1 << 19;

const _: () = assert!(Q4_0::STEPS == Q4_1::STEPS && Q4_0::STEPS == Q8_0::STEPS && Q4_0::STEPS == Q4K::STEPS);

unsafe fn multiply_packed(dtype: u32, rows: &Rows, range: Range<usize>, groups: Groups, out: &Out) {
    let k = rows.k;
    let block = 4 * if dtype == dtype::Q6_K { Q6K::STEPS } else { Q4_0::STEPS };
    let most = (MAX_BYTES / k / 4 * 4).clamp(16, MAX_ROWS);
    for first in range.clone().step_by(most) {
        let part = first..(first + most).min(range.end);
        let height = if part.len() < 4 { 1 } else { 4 };
        let padded = part.len().next_multiple_of(height); // the last tile's empty rows are not stored
        let memory = scratch(Int8Rows::bytes(padded, k, block));
        // SAFETY: the scratch has as many bytes; ranges of the products below take none.
        unsafe {
            let x = Int8Rows::new(memory, padded, height, k, block);
            x.quantize(rows, part.clone());
            match dtype {
                dtype::Q4_0 => multiply_int8_rows::<Q4_0>(&x, part, groups, out),
                dtype::Q4_1 => multiply_int8_rows::<Q4_1>(&x, part, groups, out),
                dtype::Q8_0 => multiply_int8_rows::<Q8_0>(&x, part, groups, out),
                dtype::Q4_K => multiply_int8_rows::<Q4K>(&x, part, groups, out),
                _ => multiply_int8_rows::<Q6K>(&x, part, groups, out),
            }
        }
    }
}

unsafe fn multiply_int8_rows<F: Packed>(x: &Int8Rows, part: Range<usize>, groups: Groups, out: &Out) {
    // SAFETY: the rows are in the order that either takes.
    unsafe {
        if x.height == 1 {
            matvec_int8::<F>(x, part, groups, out);
        } else {
            multiply_int8::<F>(x, part, groups, out);
        }
    }
}

/// Units of `parallel_for` that one range takes at least: some 10 µs of work.
pub fn grain(multiply_adds_of_unit: usize) -> usize {
    (1 << 18) / multiply_adds_of_unit + 1
}

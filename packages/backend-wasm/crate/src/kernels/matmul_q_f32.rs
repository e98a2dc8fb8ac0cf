//! Products with blocks in f32: decoded a piece at a time, once for many rows, then multiplied.
//!
//! - Blocks along K: pieces of eight columns by 256 elements, from packed groups or from blocks; dot products, four
//!   columns
//!   at a time. The four lanes of a sum are added at the end of a piece.
//! - Blocks along N: pieces of 256 columns of one row of b, which are added to the sums of up to 16 rows.
//!
//! Ladder, q4_1, SmolLM2's layers, one row, G multiply-adds/s, V8 15.0, one thread of a Sapphire Rapids. Only the last
//! two lines were measured in turns; between runs the machine itself differs by up to half.
//!
//!     blocks, decoded by a function pointer         1.1
//!     a loop for each format, pieces not zeroed     1.7
//!     packed groups                                 2.0
//!     columns' scales spread once a unit            2.5
//!     steps in a loop (unrolled, V8 spills)         3.3
//!
//! With 32 rows it has 6 to 9, where a bare loop of f32 multiply-adds has 11 to 16.

use core::arch::wasm32::*;
use core::mem::MaybeUninit;
use core::ops::Range;

use super::matmul_q::{grain, Groups, Out, Weight};
use crate::abi::dtype;
use crate::pool::{parallel_for, scratch};
use crate::quant::activations::Rows;
use crate::quant::packed::{Packed, Q4K, Q4_0, Q4_1, Q6K, Q8_0, ROWS};
use crate::quant::{block_bytes, decode_blocks};
use crate::simd::madd;

/// Elements of a piece along the blocks: one block of 256, eight of 32.
const PIECE: usize = 256;
/// Columns that are decoded at a time.
const COLUMNS: usize = ROWS;
/// Rows that are multiplied at a time: so many sums of 8 columns, or of 256, fit the stack.
const TALL: usize = 128;
const SHORT: usize = 16;

/// Rows of f32 without gaps.
#[derive(Clone, Copy)]
struct F32Rows {
    start: *const f32,
    k: usize,
}

// SAFETY: only read.
unsafe impl Sync for F32Rows {}

/// Calls `multiply` for parts of the rows, of `height` at most, as f32 without gaps: as they lie where they do so.
unsafe fn each_part(rows: &Rows, range: Range<usize>, height: usize, mut multiply: impl FnMut(F32Rows, Range<usize>)) {
    for first in range.clone().step_by(height) {
        let part = first..(first + height).min(range.end);
        let direct = rows.direct(first).filter(|&start| {
            // SAFETY: only compared.
            part.clone().all(|row| rows.direct(row) == Some(start.wrapping_add((row - first) * rows.k)))
        });
        let start = direct.unwrap_or_else(|| {
            let copy = scratch(part.len() * rows.k * 4).cast::<f32>();
            // SAFETY: the scratch takes the rows; the products take none.
            unsafe { rows.read_all(part.clone(), copy) };
            copy
        });
        multiply(F32Rows { start, k: rows.k }, part);
    }
}

/// Multiplies rows `range` by columns `columns` of a weight whose blocks lie along K; the first of them are in
/// `groups`.
///
/// # Safety
/// Rows and columns are out's, and the weight has them.
pub unsafe fn multiply_along_k(
    rows: &Rows,
    range: Range<usize>,
    weight: &Weight,
    groups: Groups,
    columns: Range<usize>,
    out: &Out,
) {
    if columns.is_empty() {
        return;
    }
    // SAFETY: as promised by the caller.
    unsafe {
        each_part(rows, range, TALL, |x, part| {
            let units = columns.len().div_ceil(COLUMNS);
            parallel_for(units, grain(COLUMNS * rows.k * (part.len() + 4)), |range| {
                for unit in range {
                    let first = columns.start + unit * COLUMNS;
                    let columns = first..columns.end.min(first + COLUMNS);
                    let group =
                        (unit < groups.count).then(|| Group { weight, start: groups.at(unit, weight.bytes(x.k)) });
                    multiply_columns(x, part.clone(), weight, group, columns, out);
                }
            });
        });
    }
}

/// Eight packed columns.
struct Group<'a> {
    weight: &'a Weight<'a>,
    start: *const u8,
}

impl Group<'_> {
    /// Decodes n elements from k on, whole blocks, of each column.
    unsafe fn decode(&self, k: usize, n: usize, piece: *mut f32) {
        let first = k / self.weight.block();
        let blocks = n / self.weight.block();
        // SAFETY: the blocks are the columns'; a piece takes n elements of eight columns.
        unsafe {
            match self.weight.b.dtype {
                dtype::Q4_0 => decode_places::<Q4_0>(self.start, first, blocks, piece),
                dtype::Q4_1 => decode_places::<Q4_1>(self.start, first, blocks, piece),
                dtype::Q8_0 => decode_places::<Q8_0>(self.start, first, blocks, piece),
                dtype::Q4_K => decode_places::<Q4K>(self.start, first, blocks, piece),
                _ => decode_places::<Q6K>(self.start, first, blocks, piece),
            }
        }
    }
}

/// Decodes `blocks` places; exact, as scale * q, offset and their sum are where the format's own formula is.
unsafe fn decode_places<F: Packed>(start: *const u8, first: usize, blocks: usize, piece: *mut f32) {
    let pairs = core::hint::black_box(F::STEPS / 2); // unrolled, the loop is slower: V8 spills
    for block in 0..blocks {
        // SAFETY: vector `pair * 2 + step` of unit u holds four elements of each of four columns; a piece takes them.
        unsafe {
            let place = start.add((first + block) * ROWS * block_bytes(F::DTYPE));
            let header = F::header(place);
            for u in 0..F::UNITS {
                let (scale, offset) = F::scales(place, header, u);
                let to = piece.add((block * F::UNITS + u) * F::STEPS * 4);
                for half in 0..2 {
                    let (scales, offsets) = (lanes(scale[half]), lanes(offset[half]));
                    for pair in 0..pairs {
                        let weights = F::weights(place, u, pair, half);
                        for (step, q) in weights.into_iter().enumerate() {
                            put_four(q, &scales, &offsets, to.add((pair * 2 + step) * 4 + half * 4 * PIECE));
                        }
                    }
                }
            }
        }
    }
}

/// Four elements of each of four columns, in bytes, to f32.
#[inline(always)]
unsafe fn put_four(q: v128, scales: &[v128; 4], offsets: &[v128; 4], to: *mut f32) {
    let (low, high) = (u16x8_extend_low_u8x16(q), u16x8_extend_high_u8x16(q));
    let widened = [
        u32x4_extend_low_u16x8(low),
        u32x4_extend_high_u16x8(low),
        u32x4_extend_low_u16x8(high),
        u32x4_extend_high_u16x8(high),
    ];
    for c in 0..4 {
        let value = madd(f32x4_convert_i32x4(widened[c]), scales[c], offsets[c]);
        // SAFETY: the callers' piece has four columns there.
        unsafe { v128_store(to.add(c * PIECE).cast(), value) };
    }
}

/// Each lane four times.
#[inline(always)]
fn lanes(v: v128) -> [v128; 4] {
    [
        i32x4_shuffle::<0, 0, 0, 0>(v, v),
        i32x4_shuffle::<1, 1, 1, 1>(v, v),
        i32x4_shuffle::<2, 2, 2, 2>(v, v),
        i32x4_shuffle::<3, 3, 3, 3>(v, v),
    ]
}

/// Multiplies all rows by up to eight columns.
unsafe fn multiply_columns(
    x: F32Rows,
    rows: Range<usize>,
    weight: &Weight,
    group: Option<Group>,
    columns: Range<usize>,
    out: &Out,
) {
    let mut room = [const { MaybeUninit::<f32>::uninit() }; COLUMNS * PIECE];
    let piece = room.as_mut_ptr().cast::<f32>();
    let mut room = [const { MaybeUninit::<[v128; 2]>::uninit() }; TALL];
    let sums = room.as_mut_ptr().cast::<[v128; 2]>();
    let block = weight.block();
    for k in (0..x.k).step_by(PIECE) {
        let n = PIECE.min(x.k - k);
        // SAFETY: column and k are the weight's, whose blocks are whole; rows are x's, and sums has as many. Columns
        // that are not there are not decoded, and the numbers that come of it not stored.
        unsafe {
            match &group {
                Some(group) => group.decode(k, n, piece),
                None => {
                    for (i, column) in columns.clone().enumerate() {
                        let first = (weight.start + column * weight.step() + k) / block;
                        decode_blocks(weight.b, first, n / block, piece.add(i * PIECE));
                    }
                }
            }
            for i in 0..rows.len() {
                let row = x.start.add(i * x.k + k);
                for half in 0..columns.len().div_ceil(4) {
                    let product = dot_four(row, piece.add(half * 4 * PIECE), n);
                    let total = &mut (*sums.add(i))[half];
                    *total = if k == 0 { product } else { f32x4_add(*total, product) };
                }
            }
        }
    }
    for (i, row) in rows.enumerate() {
        // SAFETY: a row has the columns; nobody else stores them.
        unsafe { out.store(row, columns.start, sums.add(i).cast(), columns.len()) };
    }
}

/// Dot products of n elements, a multiple of 32, with four columns of a piece.
#[inline(always)]
unsafe fn dot_four(x: *const f32, columns: *const f32, n: usize) -> v128 {
    let mut sums = [f32x4_splat(0.0); 4];
    for i in (0..n).step_by(4) {
        // SAFETY: i + 4 <= n.
        unsafe {
            let four = v128_load(x.add(i).cast());
            for (c, sum) in sums.iter_mut().enumerate() {
                *sum = madd(four, v128_load(columns.add(c * PIECE + i).cast()), *sum);
            }
        }
    }
    let [a, b, c, d] = sums;
    let ab = f32x4_add(i32x4_shuffle::<0, 4, 1, 5>(a, b), i32x4_shuffle::<2, 6, 3, 7>(a, b));
    let cd = f32x4_add(i32x4_shuffle::<0, 4, 1, 5>(c, d), i32x4_shuffle::<2, 6, 3, 7>(c, d));
    f32x4_add(i32x4_shuffle::<0, 1, 4, 5>(ab, cd), i32x4_shuffle::<2, 3, 6, 7>(ab, cd))
}

/// Multiplies rows `range` by a weight whose blocks lie along N.
///
/// # Safety
/// Rows are out's, and the weight has its columns.
pub unsafe fn multiply_along_n(rows: &Rows, range: Range<usize>, weight: &Weight, out: &Out) {
    // SAFETY: as promised by the caller.
    unsafe {
        each_part(rows, range, SHORT, |x, part| {
            parallel_for(out.n.div_ceil(PIECE), grain(PIECE * rows.k * (part.len() + 4)), |range| {
                for piece in range {
                    let first = piece * PIECE;
                    add_rows_of(x, part.clone(), weight, first..out.n.min(first + PIECE), out);
                }
            });
        });
    }
}

/// Multiplies up to 16 rows by up to 256 columns.
unsafe fn add_rows_of(x: F32Rows, rows: Range<usize>, weight: &Weight, columns: Range<usize>, out: &Out) {
    let mut piece = [0f32; PIECE];
    let mut sums = [[f32x4_splat(0.0); PIECE / 4]; SHORT];
    let n = columns.len();
    let (block, step) = (weight.block(), weight.b.stride_from_end(1));
    for k in 0..x.k {
        // SAFETY: k is a row of the weight, whose blocks are whole; i is a row of x.
        unsafe {
            decode_blocks(weight.b, (weight.start + k * step + columns.start) / block, n / block, piece.as_mut_ptr());
            for (i, sums) in sums[..rows.len()].iter_mut().enumerate() {
                let value = v128_load32_splat(x.start.add(i * x.k + k).cast());
                for (j, sum) in sums[..n / 4].iter_mut().enumerate() {
                    *sum = madd(value, v128_load(piece.as_ptr().add(4 * j).cast()), *sum);
                }
            }
        }
    }
    for (i, row) in rows.enumerate() {
        // SAFETY: a row has the columns; nobody else stores them.
        unsafe { out.store(row, columns.start, sums[i].as_ptr().cast(), n) };
    }
}

//! One to four rows times a b whose rows are gapless: `[R, K] x [K, N]`, strips of columns, b N-gapless.
//!
//! Eight rows of b at a time are scaled and added to a strip of sums (four at a time for two rows of a), so that a strip is
//! read once. Halves are widened on the way, eight rows of a strip at a time.
//!
//! Share of a bare read loop, 2048 x 2048, one thread, step by step: strips of 256 columns and scratch cleared for each
//! 0.53; not cleared 0.58; strips of 1024, so that memory is read in runs of 4 KiB, 0.61; two vectors a step in a function of
//! its own, where limits and pointers stay in registers, 0.70 to 0.80. Tried and dropped: strips of all 2048 columns, and
//! rows that lie K / 8 apart (0.92 and 0.96 of the speed; eight rows of a strip are eight runs of memory as they are).

use core::arch::wasm32::*;
use core::mem::MaybeUninit;
use core::ops::Range;

use super::matmul_f32::Product;
use super::matvec_f32::{store, Rows, MAX_ROWS};
use crate::abi::dtype;
use crate::half::widen_row;
use crate::simd::madd;

/// Columns whose sums are kept together.
const STRIP: usize = 1024;
/// Rows of b that are added at a time.
const DEEP: usize = 8;

/// Strips of columns, where b's rows are gapless.
///
/// # Safety
/// There are such columns.
pub unsafe fn strips(product: &Product, x: &Rows, columns: Range<usize>) {
    let mut wide = MaybeUninit::uninit();
    for first in columns.clone().step_by(STRIP) {
        let count = STRIP.min(columns.end - first);
        let mut sums = [[0f32; STRIP]; MAX_ROWS];
        // SAFETY: there are `count` columns from `first` on, and `deep` rows from k on.
        unsafe {
            for k in (0..x.length).step_by(DEEP) {
                let deep = DEEP.min(x.length - k);
                let (from, row) = rows_of(product, k, deep, first, count, &mut wide);
                add_rows(x, k, deep, from, row, &mut sums, count);
            }
            for (i, row) in sums[..x.count].iter().enumerate() {
                for (j, &sum) in row[..count].iter().enumerate() {
                    store(product, i, first + j, sum);
                }
            }
        }
    }
}

/// Where so many rows and columns of b lie as f32, and how far apart the rows: in b, or widened.
///
/// # Safety
/// There are such rows and columns.
unsafe fn rows_of(
    product: &Product,
    k: usize,
    deep: usize,
    first: usize,
    count: usize,
    wide: &mut MaybeUninit<[f32; DEEP * STRIP]>,
) -> (*const f32, usize) {
    let (b, wide) = (&product.b, wide.as_mut_ptr().cast::<f32>());
    // SAFETY: as the caller promises; a widened row has room for STRIP elements.
    unsafe {
        if !b.is_half() {
            return (b.at(first, k).cast(), b.k_stride);
        }
        for i in 0..deep {
            widen_row(b.dtype == dtype::BF16, b.at(first, k + i).cast(), wide.add(i * STRIP), count);
        }
    }
    (wide, STRIP)
}

/// Adds rows of b, scaled by steps `k..k + deep` of x, to sums: two rows of x at a time, then one.
///
/// # Safety
/// There are `deep` rows of n elements.
unsafe fn add_rows(
    x: &Rows,
    k: usize,
    deep: usize,
    from: *const f32,
    row: usize,
    sums: &mut [[f32; STRIP]; MAX_ROWS],
    n: usize,
) {
    // SAFETY: each step adds rows that are there.
    unsafe {
        for (i, sums) in sums[..x.count].chunks_mut(2).enumerate() {
            let (scales, length) = (x.start.add(2 * i * x.length + k), x.length);
            let mut done = 0;
            while done < deep {
                let (scales, from) = (scales.add(done), from.add(done * row));
                done += match (sums.len(), deep - done) {
                    (1, DEEP..) => add_scaled::<1, DEEP>(scales, length, from, row, sums, n),
                    (2, 4..) => add_scaled::<2, 4>(scales, length, from, row, sums, n),
                    (both, _) => {
                        if both == 2 {
                            add_scaled::<1, 1>(scales.add(length), length, from, row, &mut sums[1..], n);
                        }
                        add_scaled::<1, 1>(scales, length, from, row, sums, n)
                    }
                };
            }
        }
    }
}

/// `sums [R] += scales [R, D] x rows [D]`, rows of n elements that are `row` apart; R * D = 8 of them in registers.
///
/// # Safety
/// All are there.
#[inline(never)] // its registers are all there are
unsafe fn add_scaled<const R: usize, const D: usize>(
    scales: *const f32,
    length: usize,
    from: *const f32,
    row: usize,
    sums: &mut [[f32; STRIP]],
    n: usize,
) -> usize {
    let whole = n & !7;
    let to: [*mut f32; R] = core::array::from_fn(|r| sums[r].as_mut_ptr());
    // SAFETY: i + 8 <= n in the first loop, i < n in the second; rows below D.
    unsafe {
        let scale = |r: usize, d: usize| *scales.add(r * length + d);
        let lanes: [[v128; R]; D] = core::array::from_fn(|d| core::array::from_fn(|r| f32x4_splat(scale(r, d))));
        for i in (0..whole).step_by(8) {
            let at = |p: *const f32, j: usize| v128_load(p.add(i + j).cast());
            let mut sum: [[v128; 2]; R] = core::array::from_fn(|r| [at(to[r], 0), at(to[r], 4)]);
            for (d, lanes) in lanes.iter().enumerate() {
                let weights = [at(from.add(d * row), 0), at(from.add(d * row), 4)];
                for (sum, &lane) in sum.iter_mut().zip(lanes) {
                    *sum = [madd(lane, weights[0], sum[0]), madd(lane, weights[1], sum[1])];
                }
            }
            for r in 0..R {
                v128_store(to[r].add(i).cast(), sum[r][0]);
                v128_store(to[r].add(i + 4).cast(), sum[r][1]);
            }
        }
        for i in whole..n {
            for (r, to) in to.iter().enumerate() {
                *to.add(i) += (0..D).map(|d| scale(r, d) * *from.add(d * row + i)).sum::<f32>();
            }
        }
    }
    D
}

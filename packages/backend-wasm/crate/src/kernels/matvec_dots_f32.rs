//! Dot products of one to four rows with columns that are gapless, four columns at a time: `[R, K] x [K, N]`, b K-gapless.
//!
//! The four lie far apart, so that each is one of four long runs through memory, which gives more than one run does
//! (matvec_q_int8.rs says why). Beside columns that are neighbours, share of a read loop in one run, medians of 21 in turns:
//! one row 576 x 1536 0.83 to 0.93, 2048 x 2048 1.05 to 1.12; two rows 0.73 to 0.81 and 0.94 to 0.99.
//!
//! Eight vectors of sums hide the latency of an fma: two of one row, or one of each of two rows. Columns of halves are
//! widened on the way, pieces of 512 elements (8 KiB for the four).

use core::arch::wasm32::*;
use core::mem::MaybeUninit;
use core::ops::Range;

use super::matmul_f32::Product;
use super::matvec_f32::{store, Rows, MAX_ROWS};
use crate::simd::madd;

/// Columns whose dot products are taken together.
const TOGETHER: usize = 4;
/// Elements of a half-precision column that are widened at a time.
const PIECE: usize = 512;

/// Dot products with columns that are gapless.
///
/// # Safety
/// There are such columns.
pub unsafe fn dots(product: &Product, x: &Rows, columns: Range<usize>) {
    let apart = columns.len().div_ceil(TOGETHER);
    for first in columns.start..columns.start + apart {
        let count = (columns.end - first).div_ceil(apart);
        let mut sums = [[0f32; TOGETHER]; MAX_ROWS];
        // SAFETY: where there are fewer than four columns the last stands in for the rest, and all are before the end; rows and steps as there are.
        unsafe {
            if product.b.is_half() {
                let mut wide = MaybeUninit::<[f32; TOGETHER * PIECE]>::uninit();
                let wide = wide.as_mut_ptr().cast::<f32>();
                for k in (0..x.length).step_by(PIECE) {
                    let n = PIECE.min(x.length - k);
                    for j in 0..TOGETHER {
                        product.b.read(first + j.min(count - 1) * apart, k, n, wide.add(j * PIECE));
                    }
                    let at = core::array::from_fn(|j| wide.add(j * PIECE).cast_const());
                    add_dots(x, k, at, n, &mut sums);
                }
            } else {
                let at = core::array::from_fn(|j| product.b.at(first + j.min(count - 1) * apart, 0).cast());
                add_dots(x, 0, at, x.length, &mut sums);
            }
            for (i, row) in sums[..x.count].iter().enumerate() {
                for (j, &sum) in row[..count].iter().enumerate() {
                    store(product, i, first + j * apart, sum);
                }
            }
        }
    }
}

/// Adds the dot products of steps `k..k + n` of x with four pieces of columns: two rows at a time, then one.
///
/// # Safety
/// There are such steps, and n elements at each pointer.
unsafe fn add_dots(x: &Rows, k: usize, b: [*const f32; TOGETHER], n: usize, sums: &mut [[f32; TOGETHER]; MAX_ROWS]) {
    let mut i = 0;
    // SAFETY: rows below x.count.
    unsafe {
        while i + 2 <= x.count {
            let (left, right) = (x.start.add(i * x.length + k), x.start.add((i + 1) * x.length + k));
            let dots = dot_rows([left, right], b, n);
            add(&mut sums[i], dots[0]);
            add(&mut sums[i + 1], dots[1]);
            i += 2;
        }
        if i < x.count {
            add(&mut sums[i], dot_row(x.start.add(i * x.length + k), b, n));
        }
    }
}

fn add(sums: &mut [f32; TOGETHER], more: [f32; TOGETHER]) {
    for (sum, value) in sums.iter_mut().zip(more) {
        *sum += value;
    }
}

fn sum_of(lanes: v128) -> f32 {
    let pairs = f32x4_add(lanes, i32x4_shuffle::<2, 3, 0, 1>(lanes, lanes));
    f32x4_extract_lane::<0>(pairs) + f32x4_extract_lane::<1>(pairs)
}

/// Dot products of one row and four columns; eight sums hide the latency of an fma.
///
/// # Safety
/// All have n elements.
#[inline(never)] // its registers are all there are
unsafe fn dot_row(x: *const f32, b: [*const f32; TOGETHER], n: usize) -> [f32; TOGETHER] {
    let mut sums = [[f32x4_splat(0.0); 2]; TOGETHER];
    let whole = n & !7;
    // SAFETY: k + 8 <= n in the first loop, k < n in the second.
    unsafe {
        for k in (0..whole).step_by(8) {
            let (low, high) = (v128_load(x.add(k).cast()), v128_load(x.add(k + 4).cast()));
            for (sum, column) in sums.iter_mut().zip(b) {
                sum[0] = madd(low, v128_load(column.add(k).cast()), sum[0]);
                sum[1] = madd(high, v128_load(column.add(k + 4).cast()), sum[1]);
            }
        }
        core::array::from_fn(|j| {
            let vectors = sum_of(f32x4_add(sums[j][0], sums[j][1]));
            (whole..n).fold(vectors, |sum, k| sum + *x.add(k) * *b[j].add(k))
        })
    }
}

/// Dot products of two rows and four columns.
///
/// # Safety
/// All have n elements.
#[inline(never)] // its registers are all there are
unsafe fn dot_rows(x: [*const f32; 2], b: [*const f32; TOGETHER], n: usize) -> [[f32; TOGETHER]; 2] {
    let mut sums = [[f32x4_splat(0.0); 2]; TOGETHER];
    let whole = n & !3;
    // SAFETY: k + 4 <= n in the first loop, k < n in the second.
    unsafe {
        for k in (0..whole).step_by(4) {
            let (left, right) = (v128_load(x[0].add(k).cast()), v128_load(x[1].add(k).cast()));
            for (sum, column) in sums.iter_mut().zip(b) {
                let weights = v128_load(column.add(k).cast());
                *sum = [madd(left, weights, sum[0]), madd(right, weights, sum[1])];
            }
        }
        core::array::from_fn(|i| {
            core::array::from_fn(|j| (whole..n).fold(sum_of(sums[j][i]), |sum, k| sum + *x[i].add(k) * *b[j].add(k)))
        })
    }
}

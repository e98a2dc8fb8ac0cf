//! One row times a b in panels (matmul_pack_f32): `[1, K] x [K, N]`.
//!
//! Four panels of eight columns take turns, step by step of k: eight vectors of sums hide the latency of an fma. They lie far
//! apart, so that each is one of four long runs through memory (matvec_q_int8.rs says why). Beside the same b as it lies
//! (matvec_strips_f32.rs): 1.2 to 1.35 times as fast with one row, 0.75 to 0.9 with two to four.

use core::arch::wasm32::*;
use core::ops::Range;

use super::matmul_f32::{each, Product};
use super::matmul_micro::COLUMNS;
use super::matvec_f32::store;
use crate::simd::madd;

/// Panels that take turns.
const TOGETHER: usize = 4;
/// Panels that are worth a thread's while.
const GRAIN: usize = 4 * TOGETHER;

/// Computes the product.
///
/// # Safety
/// b is in panels, a has one row, `space` has room for it, and the product's operands lie in their buffers.
pub unsafe fn matvec_panels_f32(product: &Product, space: *mut f32, parallel: bool) {
    // SAFETY: as the caller promises.
    unsafe { product.a.read(0, 0, product.a.k, space) };
    let x = space as usize; // what threads may share
                            // SAFETY: ranges are of panels.
    each(parallel, product.b.count.div_ceil(COLUMNS), GRAIN, |range| unsafe {
        panels(product, x as *const f32, range)
    });
}

/// Dot products with the columns of some panels.
///
/// # Safety
/// There are such panels, and x has their steps.
unsafe fn panels(product: &Product, x: *const f32, range: Range<usize>) {
    let apart = range.len().div_ceil(TOGETHER);
    for first in range.start..range.start + apart {
        let count = (range.end - first).div_ceil(apart);
        // SAFETY: there are such panels; what the last one has beyond N columns is not stored.
        unsafe {
            let at = |i: usize| product.b.ptr.cast::<[f32; COLUMNS]>().add(i * product.b.k);
            let sums = dot_panels(x, core::array::from_fn(|j| at(first + j.min(count - 1) * apart)), product.b.k);
            for (j, sums) in sums[..count].iter().enumerate() {
                let column = (first + j * apart) * COLUMNS;
                for (c, &sum) in sums.iter().enumerate().take(product.b.count - column) {
                    store(product, 0, column + c, sum);
                }
            }
        }
    }
}

/// The dot products of x with the columns of the panels.
///
/// # Safety
/// All have k steps.
#[inline(never)] // its registers are all there are
unsafe fn dot_panels(x: *const f32, panels: [*const [f32; COLUMNS]; TOGETHER], k: usize) -> [[f32; COLUMNS]; TOGETHER] {
    let mut sums = [[f32x4_splat(0.0); 2]; TOGETHER];
    for i in 0..k {
        // SAFETY: i < k.
        unsafe {
            let scale = v128_load32_splat(x.add(i).cast());
            for (sum, panel) in sums.iter_mut().zip(panels) {
                let weights = panel.add(i).cast::<v128>();
                *sum = [madd(scale, v128_load(weights), sum[0]), madd(scale, v128_load(weights.add(1)), sum[1])];
            }
        }
    }
    // SAFETY: two vectors are eight floats.
    unsafe { core::mem::transmute(sums) }
}

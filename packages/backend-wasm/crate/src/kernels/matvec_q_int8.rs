//! One to three rows of int8 activations by a packed weight: `out[m, n] = Σ scale * Σ q * x + offset * Σ x`.
//!
//! Eight columns at a time: for each unit of 16 or 32 elements, bytes of x are repeated to all rows of a vector,
//! products are summed in integers, and the sums scaled to f32. Each weight is read from memory once; further rows
//! find it in the cache.
//!
//! Ladder, all of SmolLM2's weights (94 MB) for one row: a bare read loop's time over the same bytes by the kernel's,
//! medians of 11 in turns, V8 15.0, one thread of a Sapphire Rapids that others used too; wide sums (narrow ones: 0.82):
//!
//!     steps unrolled                              0.69
//!     steps in a loop, no spills                  0.77
//!     two groups at a time, sharing x             0.73, not kept

use core::arch::wasm32::*;
use core::ops::Range;

use super::matmul_q::{grain, Groups, Out};
use crate::pool::parallel_for;
use crate::quant::activations::Int8Rows;
use crate::quant::block_bytes;
use crate::quant::dot::{dot, settle, settle_planes, wide_is_faster};
use crate::quant::packed::{Packed, ROWS};
use crate::simd::madd;

/// Multiplies rows 0 and on of x, which are rows `rows` of out.
///
/// # Safety
/// The groups are packed as F, of x.k elements a row, and are out's first columns; x has rows one by one.
pub unsafe fn matvec_int8<F: Packed>(x: &Int8Rows, rows: Range<usize>, groups: Groups, out: &Out) {
    let bytes = x.blocks / F::UNITS * ROWS * block_bytes(F::DTYPE);
    let wide = wide_is_faster();
    parallel_for(groups.count, grain(ROWS * x.k * rows.len()), |range| {
        let groups = &groups;
        for group in range {
            for (i, row) in rows.clone().enumerate() {
                // SAFETY: group < groups.count; no other range stores these columns.
                unsafe {
                    let start = groups.at(group, bytes);
                    let sums =
                        if wide { dot_group::<F, true>(start, x, i) } else { dot_group::<F, false>(start, x, i) };
                    out.store(row, group * ROWS, sums.as_ptr().cast(), ROWS);
                }
            }
        }
    });
}

/// The products of one row of x with eight packed rows.
unsafe fn dot_group<F: Packed, const WIDE: bool>(start: *const u8, x: &Int8Rows, row: usize) -> [v128; 2] {
    let mut place = start;
    let mut total = [f32x4_splat(0.0); 2];
    // SAFETY: there are x.blocks units in the group, and as many blocks in the row.
    unsafe {
        let (mut q, scales, sums) = x.rows(row);
        for block in 0..x.blocks / F::UNITS {
            let header = F::header(place);
            for u in 0..F::UNITS {
                let products = dot_unit::<F, WIDE>(place, u, x.steps(), q);
                let (scale, offset) = F::scales(place, header, u);
                let at = block * F::UNITS + u;
                let (d, sum) = (v128_load32_splat(scales.add(at).cast()), v128_load32_splat(sums.add(at).cast()));
                for half in 0..2 {
                    let scaled = f32x4_mul(f32x4_convert_i32x4(products[half]), d);
                    total[half] = madd(scaled, scale[half], madd(offset[half], sum, total[half]));
                }
                q = q.add(F::STEPS * 4);
            }
            place = place.add(ROWS * block_bytes(F::DTYPE));
        }
    }
    total
}

/// Integer products of unit `u` of eight rows with its part of x. `steps` is no constant, on purpose: unrolled, loads
/// are hoisted, and V8 spills.
#[inline(always)]
unsafe fn dot_unit<F: Packed, const WIDE: bool>(place: *const u8, u: usize, steps: usize, q: *const i8) -> [v128; 2] {
    let zero = i32x4_splat(0);
    let mut done = [zero; 2];
    let mut sums = [[zero; 2]; 2];
    let settle_often = !WIDE && F::NARROW_SUMS == 2;
    for pair in 0..steps / 2 {
        // SAFETY: a unit has steps of four bytes.
        let x: [v128; 2] = unsafe { core::array::from_fn(|i| v128_load32_splat(q.add(8 * pair + 4 * i).cast())) };
        for half in 0..2 {
            // SAFETY: pair < steps / 2.
            let weights = unsafe { F::weights(place, u, pair, half) };
            for plane in 0..F::PLANES {
                let first = dot::<WIDE>(sums[half][plane], x[0], weights[0][plane]);
                sums[half][plane] = dot::<WIDE>(first, x[1], weights[1][plane]);
            }
            if settle_often {
                done[half] = i32x4_add(done[half], settle::<WIDE>(sums[half][0]));
                sums[half][0] = zero;
            }
        }
    }
    for half in 0..2 {
        let [low, high] = sums[half];
        if F::PLANES == 2 {
            done[half] = settle_planes::<WIDE>(low, high);
        } else if !settle_often {
            done[half] = settle::<WIDE>(low);
        }
    }
    done
}

//! One to three rows of int8 activations by a packed weight: `out[m, n] = Σ scale * Σ q * x + offset * Σ x`.
//!
//! Eight columns, a group, at a time: for each unit of 16 or 32 elements, bytes of x are repeated to all rows of a
//! vector, products are summed in integers, and the sums scaled to f32. Each weight is read from memory once; further
//! rows find it in the cache.
//!
//! Memory is what limits it, and one run through memory does not get all there is: the processor fetches ahead within a
//! page of 4 KiB, and starts anew in the next. So eight groups that lie far apart take turns, block by block.
//!
//! Ladder, q4_1 and q8_0 weights of K = 576 as in SmolLM2, 64 and 30 MB, one row: GB/s of weights, medians of 11 in
//! turns, V8 15.0, one thread of a Sapphire Rapids that others used too. There a bare loop reads 9.3 GB/s in one run and
//! 12.5 in four; from the second-level cache q4_1 goes at 15.
//!
//!                                               q4_1    q8_0
//!     steps unrolled                             6.1
//!     steps in a loop, no spills                 6.2     5.9
//!     two groups next to each other              5.8
//!     four and eight, next to each other         5.1
//!     two, four and eight, far apart      8.0, 9.8, 11.0
//!     q8_0 by whole bytes, not two nibbles              8.4
//!     the same, eight groups far apart                 14.1
//!
//! In the model, threads have ranges of their own, few and long, for runs of eight groups that are worth it: with these and
//! two threads a token of SmolLM2 went from 15.9 to 11.0 ms, with one from 22.1 to 16.7.

use core::arch::wasm32::*;
use core::ops::Range;

use super::matmul_q::{Groups, Out};
use crate::pool::{parallel_for, threads};
use crate::quant::activations::Int8Rows;
use crate::quant::block_bytes;
use crate::quant::dot::{dot, planes, settle, settle_planes, wide_is_faster, Bytes};
use crate::quant::packed::{Packed, ROWS};
use crate::simd::madd;

/// Groups that take turns.
const STREAMS: usize = 8;
/// Multiply-adds below which a thread is not worth its barrier, and those of a range with which threads need no more of
/// them to end together.
const LEAST_WORK: usize = 1 << 15;
const MUCH_WORK: usize = 1 << 19;
const MOST_RANGES: usize = 8;

/// Multiplies rows 0 and on of x, which are rows `rows` of out.
///
/// # Safety
/// The groups are packed as F, of x.k elements a row, and are out's first columns; x has rows one by one.
pub unsafe fn matvec_int8<F: Packed>(x: &Int8Rows, rows: Range<usize>, groups: Groups, out: &Out) {
    let wide = wide_is_faster();
    let work = groups.count * ROWS * x.k * rows.len() / threads();
    let ranges = if work < LEAST_WORK { 1 } else { threads() * (work / MUCH_WORK).clamp(1, MOST_RANGES) };
    let length = groups.count.div_ceil(ranges);
    let bytes = x.blocks / F::UNITS * ROWS * block_bytes(F::DTYPE);
    parallel_for(ranges, 1, |range| {
        let groups = &groups;
        let [start, end] = [range.start, range.end].map(|i| (i * length).min(groups.count));
        let apart = (end - start).div_ceil(STREAMS);
        for first in start..start + apart {
            let streams =
                Streams { start: groups.at(first, bytes), apart: apart * bytes, count: (end - first).div_ceil(apart) };
            for (i, row) in rows.clone().enumerate() {
                // SAFETY: all the streams' groups lie before `end`; no other range stores these columns.
                unsafe {
                    let sums = if wide {
                        dot_streams::<F, true>(&streams, x, i)
                    } else {
                        dot_streams::<F, false>(&streams, x, i)
                    };
                    for (s, sums) in sums[..streams.count].iter().enumerate() {
                        out.store(row, (first + s * apart) * ROWS, sums.as_ptr().cast(), ROWS);
                    }
                }
            }
        }
    });
}

/// Groups that take turns: `count` of them, so many bytes apart.
struct Streams {
    start: *const u8,
    apart: usize,
    count: usize,
}

/// The products of one row of x with the eight packed rows of each stream.
unsafe fn dot_streams<F: Packed, const WIDE: bool>(
    streams: &Streams,
    x: &Int8Rows,
    row: usize,
) -> [[v128; 2]; STREAMS] {
    let bytes = Bytes::of_machine();
    let mut totals = [[f32x4_splat(0.0); 2]; STREAMS];
    // SAFETY: there are x.blocks units in a group, and as many blocks in the row.
    unsafe {
        let (mut q, scales, sums) = x.rows(row);
        for block in 0..x.blocks / F::UNITS {
            let mut place = streams.start.add(block * ROWS * block_bytes(F::DTYPE));
            for total in &mut totals[..streams.count] {
                let header = F::header(place);
                for u in 0..F::UNITS {
                    let products = dot_unit::<F, WIDE>(place, u, x.steps(), q.add(u * F::STEPS * 4), bytes);
                    let (scale, offset) = F::scales(place, header, u);
                    let at = block * F::UNITS + u;
                    let (d, sum) = (v128_load32_splat(scales.add(at).cast()), v128_load32_splat(sums.add(at).cast()));
                    for half in 0..2 {
                        let scaled = f32x4_mul(f32x4_convert_i32x4(products[half]), d);
                        let offset = bytes.offset::<F>(offset[half]);
                        total[half] = madd(scaled, scale[half], madd(offset, sum, total[half]));
                    }
                }
                place = place.wrapping_add(streams.apart);
            }
            q = q.add(F::UNITS * F::STEPS * 4);
        }
    }
    totals
}

/// Integer products of unit `u` of eight rows with its part of x. `steps` is no constant, on purpose: unrolled, loads
/// are hoisted, and V8 spills.
#[inline(always)]
unsafe fn dot_unit<F: Packed, const WIDE: bool>(
    place: *const u8,
    u: usize,
    steps: usize,
    q: *const i8,
    bytes: Bytes,
) -> [v128; 2] {
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
            for (plane, sum) in sums[half].iter_mut().take(planes::<F, WIDE>()).enumerate() {
                for step in 0..2 {
                    *sum = dot::<WIDE>(*sum, x[step], bytes.plane::<F, WIDE>(weights[step], plane));
                }
            }
            if settle_often {
                done[half] = i32x4_add(done[half], settle::<WIDE>(sums[half][0]));
                sums[half][0] = zero;
            }
        }
    }
    for half in 0..2 {
        let [low, high] = sums[half];
        if planes::<F, WIDE>() == 2 {
            done[half] = settle_planes(low, high);
        } else if !settle_often {
            done[half] = settle::<WIDE>(low);
        }
    }
    done
}

//! Four and more rows of int8 activations by a packed weight, for prefill.
//!
//! Eight columns at a time, as far along K as fits the first-level cache: their weights are unpacked to one byte
//! each, their scales to f32, once for all rows. Then tiles of four rows by eight columns: a unit's products are
//! summed in integers, in eight vectors that stay in registers, and settled to f32 sums in memory. Each step is six
//! loads and eight dot products.
//!
//! Ladder, q4_1, SmolLM2's layers, 128 rows, G multiply-adds/s, the best of 15 in turns, V8 15.0, one thread of a
//! Sapphire Rapids, where bare loops have 61 (wide sums) and 51 (narrow ones, of which Zen 4 has 83):
//!
//!     rows of x one by one, steps unrolled        wide 32.0, narrow 28.6
//!     four rows of x interleaved                  wide 32.5, narrow 31.0
//!     steps in a loop                             wide 34.2, narrow 31.0
//!     16 columns at a time (another run)          no gain, not kept
//!
//! Leaving out the scaling to f32, which is no product any more, would win 1.23 and 1.16 times (another run).

use core::arch::wasm32::*;
use core::mem::MaybeUninit;
use core::ops::Range;

use super::matmul_q::{grain, Groups, Out};
use crate::pool::parallel_for;
use crate::quant::activations::Int8Rows;
use crate::quant::block_bytes;
use crate::quant::dot::{dot, planes, settle, settle_planes, wide_is_faster, Bytes};
use crate::quant::packed::{Packed, ROWS};
use crate::simd::madd;

/// Units that are unpacked at a time: a multiple of every format's, 4 kB a group, 8 kB for two planes.
const UNITS: usize = 16;
/// Vectors of an unpacked unit: eight steps, two halves, two planes at most.
const UNIT_VECTORS: usize = 32;
/// Rows that `matmul_q` passes at most.
const MAX_ROWS: usize = 256;

/// Eight unpacked columns: for each unit its weights `[step][half][plane]`, its scales and its offsets.
struct Panel {
    weights: [MaybeUninit<v128>; UNITS * UNIT_VECTORS],
    scales: [[v128; 4]; UNITS],
}

/// Where a panel's units lie along K, and what it is multiplied by.
struct Tiles<'a> {
    x: &'a Int8Rows,
    rows: usize,
    first: usize,
    units: usize,
}

/// f32 sums of eight columns.
type Sums = [[v128; 2]; MAX_ROWS];

/// Multiplies rows 0 and on of x, which are rows `rows` of out, at most 256.
///
/// # Safety
/// The groups are packed as F, of x.k elements a row, and are out's first columns; x has rows up to a multiple of four.
pub unsafe fn multiply_int8<F: Packed>(x: &Int8Rows, rows: Range<usize>, groups: Groups, out: &Out) {
    let bytes = x.blocks / F::UNITS * ROWS * block_bytes(F::DTYPE);
    let wide = wide_is_faster();
    parallel_for(groups.count, grain(ROWS * x.k * rows.len()), |range| {
        let groups = &groups;
        let zero = i32x4_splat(0);
        let mut panel = Panel { weights: [MaybeUninit::uninit(); UNITS * UNIT_VECTORS], scales: [[zero; 4]; UNITS] };
        let mut sums: Sums = [[zero; 2]; MAX_ROWS];
        for group in range {
            sums[..rows.len().next_multiple_of(4)].fill([zero; 2]);
            // SAFETY: group is below groups.count; no other range stores these columns.
            unsafe {
                for unit in (0..x.blocks).step_by(UNITS) {
                    let tiles = Tiles { x, rows: rows.len(), first: unit, units: UNITS.min(x.blocks - unit) };
                    if wide || !F::BYTES {
                        unpack::<F, true>(groups.at(group, bytes), &tiles, &mut panel);
                    } else {
                        unpack::<F, false>(groups.at(group, bytes), &tiles, &mut panel);
                    }
                    add_panel::<F>(&tiles, wide, &panel, &mut sums);
                }
                for (i, row) in rows.clone().enumerate() {
                    out.store(row, group * ROWS, sums[i].as_ptr().cast(), ROWS);
                }
            }
        }
    });
}

/// Unpacks the tiles' units, which are whole blocks.
unsafe fn unpack<F: Packed, const WIDE: bool>(group: *const u8, tiles: &Tiles, panel: &mut Panel) {
    let bytes = Bytes::of_machine();
    let planes = planes::<F, WIDE>();
    let mut to = panel.weights.as_mut_ptr().cast::<v128>();
    for block in 0..tiles.units / F::UNITS {
        // SAFETY: the units are the group's; a unit has STEPS * 2 vectors of each plane, 32 at most.
        unsafe {
            let place = group.add((tiles.first / F::UNITS + block) * ROWS * block_bytes(F::DTYPE));
            let header = F::header(place);
            for u in 0..F::UNITS {
                let (scale, offset) = F::scales(place, header, u);
                let offset = offset.map(|offset| bytes.offset::<F>(offset));
                panel.scales[block * F::UNITS + u] = [scale[0], scale[1], offset[0], offset[1]];
                for pair in 0..F::STEPS / 2 {
                    for half in 0..2 {
                        let weights = F::weights(place, u, pair, half);
                        for (step, &vector) in weights.iter().enumerate() {
                            for plane in 0..planes {
                                let at = ((pair * 2 + step) * 2 + half) * planes + plane;
                                *to.add(at) = bytes.plane::<F, WIDE>(vector, plane);
                            }
                        }
                    }
                }
                to = to.add(F::STEPS * 2 * planes);
            }
        }
    }
}

/// Adds the panel's products to the sums; formats that look alike when unpacked share the code.
unsafe fn add_panel<F: Packed>(tiles: &Tiles, wide: bool, panel: &Panel, sums: &mut Sums) {
    // SAFETY: as promised by the caller.
    unsafe {
        match (wide, F::BYTES, F::NARROW_SUMS) {
            (true, _, _) => add_tiles::<4, 1, 8, true>(tiles, panel, sums),
            (_, true, _) => add_tiles::<2, 2, 8, false>(tiles, panel, sums),
            (_, _, 8) => add_tiles::<4, 1, 8, false>(tiles, panel, sums),
            _ => add_tiles::<4, 1, 2, false>(tiles, panel, sums),
        }
    }
}

/// Adds tiles of HEIGHT rows.
unsafe fn add_tiles<const HEIGHT: usize, const PLANES: usize, const NARROW_SUMS: usize, const WIDE: bool>(
    &Tiles { x, rows, first, units }: &Tiles,
    panel: &Panel,
    sums: &mut Sums,
) {
    let steps = x.steps();
    for row in (0..rows).step_by(HEIGHT) {
        // SAFETY: x has rows up to a multiple of 4, and `first + units` blocks in each; so have the sums.
        unsafe {
            let lane = row & 3;
            let (q, scales, offsets) = x.rows(row - lane);
            let mut q = q.add((first * steps * 4 + lane) * 4);
            let mut weights = panel.weights.as_ptr().cast::<v128>();
            for u in 0..units {
                let products = dot_tile::<HEIGHT, PLANES, NARROW_SUMS, WIDE>(steps, weights, q);
                let [low, high, low_offset, high_offset] = panel.scales[u];
                for (i, products) in products.into_iter().enumerate() {
                    let at = (first + u) * 4 + lane + i;
                    let d = v128_load32_splat(scales.add(at).cast());
                    let sum = v128_load32_splat(offsets.add(at).cast());
                    let total = sums.get_unchecked_mut(row + i);
                    let scaled = products.map(|product| f32x4_mul(f32x4_convert_i32x4(product), d));
                    total[0] = madd(scaled[0], low, madd(low_offset, sum, total[0]));
                    total[1] = madd(scaled[1], high, madd(high_offset, sum, total[1]));
                }
                weights = weights.add(steps * 2 * PLANES);
                q = q.add(steps * 16);
            }
        }
    }
}

/// Integer products of one unit: HEIGHT of four rows by eight columns. `steps` is no constant, on purpose: unrolled,
/// loads are hoisted, and V8 spills.
#[inline(always)]
unsafe fn dot_tile<const HEIGHT: usize, const PLANES: usize, const NARROW_SUMS: usize, const WIDE: bool>(
    steps: usize,
    weights: *const v128,
    q: *const i8,
) -> [[v128; 2]; HEIGHT] {
    let zero = i32x4_splat(0);
    let mut done = [[zero; 2]; HEIGHT];
    let mut sums = [[[zero; PLANES]; 2]; HEIGHT];
    let settle_often = !WIDE && NARROW_SUMS == 2;
    for step in 0..steps {
        for i in 0..HEIGHT {
            // SAFETY: a unit has steps of four bytes, and steps * 2 * PLANES vectors of weights.
            unsafe {
                let x = v128_load32_splat(q.add(16 * step + 4 * i).cast());
                for half in 0..2 {
                    for (plane, sum) in sums[i][half].iter_mut().enumerate() {
                        let w = *weights.add((step * 2 + half) * PLANES + plane);
                        *sum = dot::<WIDE>(*sum, x, w);
                    }
                    if settle_often && step & 1 == 1 {
                        done[i][half] = i32x4_add(done[i][half], settle::<WIDE>(sums[i][half][0]));
                        sums[i][half][0] = zero;
                    }
                }
            }
        }
    }
    for i in 0..HEIGHT {
        for half in 0..2 {
            let [first, last] = [sums[i][half][0], sums[i][half][PLANES - 1]];
            if PLANES == 2 {
                done[i][half] = settle_planes(first, last);
            } else if !settle_often {
                done[i][half] = settle::<WIDE>(first);
            }
        }
    }
    done
}

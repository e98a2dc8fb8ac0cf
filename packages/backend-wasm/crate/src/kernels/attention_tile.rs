//! The running softmax of a tile of rows, in base 2. For each row it keeps the largest score m so far, the sum l of
//! `2^(x - m)`, and the sums a of values times these. A block of scores raises m to m'; what was summed before is scaled by
//! `2^(m - m')`, on the way through the next product. In the end the output is `a / l`, and logSumExp `(m + log2 l) ln 2`.
//!
//! Rows are lanes, in panels of eight, or one panel of four: largest, totals and scores need no step across lanes. Rows
//! beyond the last are computed along, from queries of zeros.
//!
//! A score of -Infinity does not count, nor does its value, even where that is NaN. +Infinity and NaN make the row NaN, as
//! in a plain softmax. A row with nothing that counts has l = 0, and gives zeros.
//!
//! Source: Milakov and Gimelshein, "Online normalizer calculation for softmax" (2018), algorithm 3; Dao et al.,
//! "FlashAttention" (2022), algorithm 1.

use core::arch::wasm32::*;

use super::attention_lines::Lines;
use super::attention_products::{add_4x8, add_few, dot_4x8, dot_few, NARROW, WIDE};
use crate::exp::Exp2;

/// Keys of a block. With 64 of 64 elements, keys, values and a panel of queries and sums are about what an L1 cache holds.
pub const BLOCK: usize = 64;

/// Those where keys and values are used where they lie, and only once, by a narrow panel: long runs of memory.
pub const LONG_BLOCK: usize = 256;

/// Adds nothing to a sum, and is told from a weight that vanished by its sign.
const HIDDEN: f32 = -0.0;

/// Rows that are computed together; pointers into one thread's scratch.
pub struct Tile {
    /// Rows that count, of `lanes * panels`.
    pub rows: usize,
    /// Rows of a panel: 4 or 8.
    pub lanes: usize,
    /// D and Dv, filled up to what the products take.
    pub size: usize,
    pub value_size: usize,
    /// Queries times scale: wide panels `[size][8]`, a narrow one `[rows][size]`.
    pub queries: *mut f32,
    /// The state: `[rows]`, `[rows]`, `[rows][value_size]`, without gaps, so that it can be kept as one.
    pub state: State,
    /// Scores of a block, `[BLOCK][8]` or `[LONG_BLOCK][4]`; then its weights.
    pub scores: *mut f32,
    /// What the sums of a panel are to be scaled by, `[lanes]`.
    scales: *mut f32,
    /// Keys of a block in fours, `[BLOCK / 4][size][4]`.
    pub keys: *mut f32,
    /// Room for lines of keys and values where they must be copied.
    pub key_room: *mut f32,
    pub value_room: *mut f32,
}

/// Largest scores, totals and sums of rows.
#[derive(Clone, Copy)]
pub struct State {
    pub largest: *mut f32,
    pub totals: *mut f32,
    pub sums: *mut f32,
}

impl State {
    /// Elements that the state of some rows takes.
    pub fn len(rows: usize, value_size: usize) -> usize {
        rows * (2 + value_size)
    }

    /// The state that lies at `at`.
    ///
    /// # Safety
    /// As many elements do as `len` says.
    pub unsafe fn at(at: *mut f32, rows: usize) -> Self {
        // SAFETY: as promised.
        unsafe { State { largest: at, totals: at.add(rows), sums: at.add(2 * rows) } }
    }

    /// Merges row r of the parts of some keys: adds each part's total and sums times `2^(its largest - the largest of
    /// all)` to the first part's, which comes first, and is this one.
    ///
    /// # Safety
    /// Both states have the row, whose sums are n long.
    pub unsafe fn take(self, part: State, r: usize, largest: f32, n: usize) {
        // SAFETY: as promised.
        unsafe {
            let before = *part.largest.add(r);
            let base = if largest == f32::NEG_INFINITY { 0.0 } else { largest };
            let scale = f32x4_extract_lane::<0>(Exp2::load().of(f32x4_splat(before - base)));
            let keep = if part.largest == self.largest { 0.0 } else { 1.0 };
            let total = self.totals.add(r);
            *total = *total * keep + *part.totals.add(r) * scale;
            for d in r * n..(r + 1) * n {
                *self.sums.add(d) = *self.sums.add(d) * keep + *part.sums.add(d) * scale;
            }
        }
    }
}

impl Tile {
    /// Elements of scratch that a tile of `rows` (padded) takes.
    pub fn len(rows: usize, size: usize, value_size: usize) -> usize {
        rows * size + State::len(rows, value_size) + LONG_BLOCK * NARROW + WIDE + 2 * BLOCK * size + BLOCK * value_size
    }

    /// Lays a tile out in scratch.
    ///
    /// # Safety
    /// `at` has `len` elements.
    pub unsafe fn new(at: *mut f32, rows: usize, lanes: usize, size: usize, value_size: usize) -> Self {
        let padded = rows.next_multiple_of(lanes);
        // SAFETY: the parts add up to `len`.
        unsafe {
            let state = at.add(padded * size);
            let scores = state.add(State::len(padded, value_size));
            let scales = scores.add(LONG_BLOCK * NARROW);
            let keys = scales.add(WIDE);
            let key_room = keys.add(BLOCK * size);
            let value_room = key_room.add(BLOCK * size);
            let state = State::at(state, padded);
            Tile { rows, lanes, size, value_size, queries: at, state, scores, scales, keys, key_room, value_room }
        }
    }

    /// How many panels there are.
    pub fn panels(&self) -> usize {
        self.rows.div_ceil(self.lanes)
    }

    /// Fills `scores` with the products of a panel's queries with keys `from..to` of the block, from a multiple of 4 on;
    /// wide panels read them packed, a narrow one as `keys`, which start at `from`.
    ///
    /// # Safety
    /// Keys and queries are there.
    pub unsafe fn score(&self, panel: usize, from: usize, to: usize, keys: Lines) {
        let (rows, n) = (self.queries, self.size);
        // SAFETY: `to` is at most the block's length; scores and packed keys have room for it.
        unsafe {
            if self.lanes == WIDE {
                for j in (from..to).step_by(4) {
                    dot_4x8(self.keys.add(j * n), rows.add(panel * WIDE * n), n, self.scores.add(j * WIDE));
                }
                return;
            }
            let scores = self.scores.add(from * NARROW);
            match self.rows {
                1 => dot_few::<1, 8>(keys, to - from, rows, n, scores),
                2 => dot_few::<2, 4>(keys, to - from, rows, n, scores),
                3 => dot_few::<3, 4>(keys, to - from, rows, n, scores),
                _ => dot_few::<4, 2>(keys, to - from, rows, n, scores),
            }
        }
    }

    /// Turns scores `from..to` of a panel into weights and adds these to the totals. `mark` is asked once, where some score
    /// does not count, whether such weights must be told apart.
    ///
    /// # Safety
    /// The scores are there.
    pub unsafe fn weigh(&self, panel: usize, from: usize, to: usize, mark: &dyn Fn() -> bool) -> bool {
        // SAFETY: vectors of the panel's lanes.
        unsafe {
            if self.lanes == WIDE {
                self.weigh_lanes::<2, 2>(panel, from, to, mark)
            } else {
                self.weigh_lanes::<1, 4>(panel, from, to, mark)
            }
        }
    }

    /// Vectors are taken A at a time, which hides the latency of a maximum or a sum where a panel is one vector.
    #[inline(never)]
    unsafe fn weigh_lanes<const V: usize, const A: usize>(
        &self,
        panel: usize,
        from: usize,
        to: usize,
        mark: &dyn Fn() -> bool,
    ) -> bool {
        // SAFETY: V vectors are the lanes of a panel, and from..to lies in the block.
        unsafe {
            let [start, end] = [from, to].map(|j| self.scores.add(j * 4 * V).cast::<v128>());
            let [largest, totals] =
                [self.state.largest, self.state.totals].map(|x| x.add(panel * 4 * V).cast::<v128>());
            let before: [v128; V] = core::array::from_fn(|v| v128_load(largest.add(v)));
            let [max, min] = extremes::<V, A>(start, end, before);
            let none = f32x4_splat(f32::NEG_INFINITY);
            let mut base = max;
            for v in 0..V {
                base[v] = v128_andnot(max[v], f32x4_eq(max[v], none)); // 0: Infinity - Infinity would be NaN
                v128_store(largest.add(v), max[v]);
            }
            let hidden = min.into_iter().any(|x| v128_any_true(f32x4_eq(x, none)));
            let marked = hidden && mark();
            let exp2 = Exp2::load();
            let sums = if marked {
                exponentiate::<V, V, true>(start, end, base, &exp2)
            } else {
                exponentiate::<V, A, false>(start, end, base, &exp2)
            };
            for v in 0..V {
                let scale = exp2.of(f32x4_sub(before[v], base[v]));
                v128_store(self.scales.cast::<v128>().add(v), scale);
                v128_store(totals.add(v), f32x4_add(f32x4_mul(v128_load(totals.add(v)), scale), sums[v]));
            }
            marked
        }
    }

    /// Adds values, which `lines` gives from `from` on, times the weights. `marked` is what `weigh` said.
    ///
    /// # Safety
    /// Weights and values are there.
    pub unsafe fn add(&self, panel: usize, from: usize, to: usize, lines: Lines, marked: bool) {
        let n = self.value_size;
        // SAFETY: a panel's rows lie together in the sums; n is a multiple of 8.
        unsafe {
            let sums = self.state.sums.add(panel * self.lanes * n);
            let weights = self.scores.add(from * self.lanes);
            let (count, scales) = (to - from, self.scales);
            if marked {
                return self.add_counted(weights, count, lines, sums);
            }
            if self.lanes == WIDE {
                for d in (0..n).step_by(8) {
                    let values = lines.from(d);
                    for r in [0, 4] {
                        add_4x8(weights.add(r), count, values, sums.add(r * n + d), n, scales.add(r));
                    }
                }
                return;
            }
            match self.rows {
                1 => add_few::<1, 8>(weights, count, lines, sums, n, scales),
                2 => add_few::<2, 6>(weights, count, lines, sums, n, scales),
                3 => add_few::<3, 3>(weights, count, lines, sums, n, scales),
                _ => add_few::<4, 2>(weights, count, lines, sums, n, scales),
            }
        }
    }

    /// A hidden value may be infinite or NaN, so it must not even be multiplied by 0.
    unsafe fn add_counted(&self, weights: *const f32, count: usize, lines: Lines, sums: *mut f32) {
        for r in 0..self.lanes {
            for d in 0..self.value_size {
                // SAFETY: r, d and j are within the panel and the lines.
                unsafe {
                    let sum = sums.add(r * self.value_size + d);
                    *sum *= *self.scales.add(r);
                    for j in 0..count {
                        let weight = *weights.add(j * self.lanes + r);
                        if weight.to_bits() != HIDDEN.to_bits() {
                            *sum += weight * *lines.at.add(j * lines.step + d);
                        }
                    }
                }
            }
        }
    }
}

/// The largest and the smallest of each lane, of A vectors at a time; NaN may be passed over or not, as it makes its row
/// NaN anyway.
#[inline(always)]
unsafe fn extremes<const V: usize, const A: usize>(
    start: *const v128,
    end: *const v128,
    before: [v128; V],
) -> [[v128; V]; 2] {
    let [mut max, mut min] = [core::array::from_fn(|a| before[a % V]), [f32x4_splat(f32::INFINITY); A]];
    let mut take = |at: *const v128, count: usize| {
        for a in 0..count {
            // SAFETY: at + count <= end.
            let x = unsafe { v128_load(at.add(a)) };
            max[a] = f32x4_pmax(max[a], x);
            min[a] = f32x4_pmin(min[a], x);
        }
    };
    each::<V, A>(start, end, &mut take);
    [fold(max, |a, b| f32x4_pmax(a, b)), fold(min, |a, b| f32x4_pmin(a, b))]
}

/// `2^(x - base)` in place, and the sums of each lane.
#[inline(always)]
unsafe fn exponentiate<const V: usize, const A: usize, const MARK: bool>(
    start: *mut v128,
    end: *mut v128,
    base: [v128; V],
    exp2: &Exp2,
) -> [v128; V] {
    let mut sums = [f32x4_splat(0.0); A];
    let mut take = |at: *const v128, count: usize| {
        for a in 0..count {
            // SAFETY: at + count <= end.
            unsafe {
                let x = v128_load(at.add(a));
                let mut weight = exp2.of(f32x4_sub(x, base[a % V]));
                if MARK {
                    let counts = f32x4_ne(x, f32x4_splat(f32::NEG_INFINITY));
                    weight = v128_bitselect(weight, f32x4_splat(HIDDEN), counts);
                }
                sums[a] = f32x4_add(sums[a], weight);
                v128_store(at.add(a).cast_mut(), weight);
            }
        }
    };
    each::<V, A>(start, end, &mut take);
    fold(sums, |a, b| f32x4_add(a, b))
}

/// Visits vectors, A at a time so that no sum waits for the last, then V.
#[inline(always)]
fn each<const V: usize, const A: usize>(
    start: *const v128,
    end: *const v128,
    take: &mut impl FnMut(*const v128, usize),
) {
    let count = (end as usize - start as usize) / 16;
    let whole = count - count % A;
    for i in (0..whole).step_by(A) {
        take(start.wrapping_add(i), A);
    }
    if A > V {
        for i in (whole..count).step_by(V) {
            take(start.wrapping_add(i), V);
        }
    }
}

/// Joins A vectors to V.
#[inline(always)]
fn fold<const V: usize, const A: usize>(all: [v128; A], join: impl Fn(v128, v128) -> v128) -> [v128; V] {
    core::array::from_fn(|v| (v + V..A).step_by(V).fold(all[v], |sum, a| join(sum, all[a])))
}

/// Whether all of some lines is finite.
///
/// # Safety
/// n is a multiple of 4.
pub unsafe fn are_finite(lines: Lines, count: usize, n: usize) -> bool {
    let zero = f32x4_splat(0.0);
    let mut sum = zero; // unless something is not finite
    for j in 0..count {
        for d in (0..n).step_by(4) {
            // SAFETY: d + 4 <= n.
            let x = unsafe { v128_load(lines.at.add(j * lines.step + d).cast()) };
            sum = f32x4_add(sum, f32x4_mul(x, zero));
        }
    }
    !v128_any_true(f32x4_ne(sum, zero))
}

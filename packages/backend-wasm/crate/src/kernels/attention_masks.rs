//! What changes a panel's scores after the products, in this order: the soft cap, ALiBi, the mask (float: added, and
//! -Infinity hides; bool: false hides), positions, the block mask; then, of weights, dropout. A score that is hidden is
//! -Infinity, whatever its key holds. Scores are in base 2: what is added is times log2(e) first.
//!
//! Soft cap, ALiBi and positions go by vectors; the rest by single scores, each row's in a loop.

use core::arch::wasm32::*;
use core::f64::consts::LOG2_E;

use super::attention_call::{broadcast_strides, element, per_head, Call, Dropout, Span};
use super::attention_products::WIDE;
use super::random::threefry2x32;
use crate::abi::{dtype, Operand};
use crate::exp::Exp;
use crate::functions::tanh;

/// The rows of a panel: those of one head from `first` on.
#[derive(Clone, Copy)]
pub struct Rows {
    pub batch: usize,
    pub head: usize,
    pub first: usize,
    /// Rows that count, and those that there are.
    pub count: usize,
    pub lanes: usize,
}

impl Rows {
    /// The time of row r; rows beyond the last have its.
    fn time(&self, call: &Call, r: usize) -> usize {
        (self.first + r.min(self.count - 1)) / call.groups
    }

    /// The first and the last time.
    pub fn times(&self, call: &Call) -> [usize; 2] {
        [self.time(call, 0), self.time(call, self.count - 1)]
    }

    fn group(&self, call: &Call, r: usize) -> usize {
        (self.first + r.min(self.count - 1)) % call.groups
    }
}

/// Scores of a panel, `at[(s - first) * lanes + r]` of key s and row r.
#[derive(Clone, Copy)]
pub struct Scores {
    pub at: *mut f32,
    pub first: usize,
}

/// Applies everything to the scores of a span.
///
/// # Safety
/// The scores are there.
pub unsafe fn adjust(call: &Call, rows: Rows, span: Span, scores: Scores) {
    // SAFETY: as promised.
    unsafe {
        if call.softcap != 0.0 {
            cap(rows, span, scores, call.softcap);
        }
        if let Some(slopes) = call.alibi_slopes {
            add_alibi(call, rows, span, scores, slopes);
        }
        if let Some(mask) = call.mask {
            apply_mask(call, rows, span, scores, mask);
        }
        if !span.whole {
            hide_by_position(call, rows, span, scores);
        }
        if let (Some(kinds), Some(table)) = (call.block_kinds, call.block_table) {
            hide_by_blocks(call, rows, span, scores, [kinds, table]);
        }
    }
}

#[inline(always)]
unsafe fn each(rows: Rows, span: Span, scores: Scores, change: impl Fn(usize, usize, v128) -> v128) {
    for s in span.from..span.to {
        for v in 0..rows.lanes / 4 {
            // SAFETY: the score of key s and row 4 v is there.
            unsafe {
                let at = scores.at.add((s - scores.first) * rows.lanes + 4 * v).cast::<v128>();
                v128_store(at, change(s, v, v128_load(at)));
            }
        }
    }
}

/// `softcap * log2(e) * tanh(x)`; queries are divided by the cap already.
unsafe fn cap(rows: Rows, span: Span, scores: Scores, softcap: f64) {
    let cap = f32x4_splat((softcap * LOG2_E) as f32);
    let exp = Exp::load();
    // SAFETY: the caller's.
    unsafe { each(rows, span, scores, |_, _, x| f32x4_mul(cap, tanh(&exp, x))) };
}

/// Adds `slope * (position(s) - p(t))`; slopes are `[Hkv, G]`.
unsafe fn add_alibi(call: &Call, rows: Rows, span: Span, scores: Scores, slopes: &Operand) {
    let mut lanes = [[0.0f32; WIDE]; 2];
    for r in 0..rows.lanes {
        lanes[0][r] = (per_head(slopes, rows.head, rows.group(call, r)) * LOG2_E) as f32;
        lanes[1][r] = call.query_position(rows.batch, rows.time(call, r)) as f32;
    }
    // SAFETY: the caller's; v is below lanes / 4.
    unsafe {
        each(rows, span, scores, |s, v, x| {
            let [slope, p] = [0, 1].map(|i| v128_load(lanes[i].as_ptr().add(4 * v).cast()));
            let apart = f32x4_sub(f32x4_splat(call.key_position(s) as f32), p);
            f32x4_add(x, f32x4_mul(slope, apart))
        });
    }
}

/// Hides what single rows may not see. Positions are whole numbers: as i32 they compare exactly.
unsafe fn hide_by_position(call: &Call, rows: Rows, span: Span, scores: Scores) {
    let mut lanes = [[0i32; WIDE]; 2];
    let mut sinks = 0;
    for r in 0..rows.lanes {
        let bounds = call.bounds(rows.batch, rows.time(call, r)).map(|x| x as i32); // saturates
        [lanes[0][r], lanes[1][r], sinks] = bounds;
    }
    let none = f32x4_splat(f32::NEG_INFINITY);
    // SAFETY: the caller's; v is below lanes / 4.
    unsafe {
        each(rows, span, scores, |s, v, x| {
            let [from, to] = [0, 1].map(|i| v128_load(lanes[i].as_ptr().add(4 * v).cast()));
            let position = i32x4_splat(call.key_position(s) as i32);
            let late = v128_or(i32x4_ge(position, from), i32x4_lt(position, i32x4_splat(sinks)));
            v128_bitselect(x, none, v128_and(late, i32x4_le(position, to)))
        });
    }
}

/// A mask `[B, Hkv, G, T, S]`, bool or float.
unsafe fn apply_mask(call: &Call, rows: Rows, span: Span, scores: Scores, mask: &Operand) {
    let [sb, sh, sg, st, ss] = broadcast_strides(mask);
    for r in 0..rows.count {
        let row = rows.batch * sb + rows.head * sh + rows.group(call, r) * sg + rows.time(call, r) * st;
        for s in span.from..span.to {
            // SAFETY: row r and key s are within the mask and the scores.
            unsafe {
                let score = scores.at.add((s - scores.first) * rows.lanes + r);
                let x = element(mask, row + s * ss);
                if mask.dtype == dtype::BOOL {
                    *score = if x == 0.0 { f32::NEG_INFINITY } else { *score };
                } else {
                    // a hidden score may be NaN
                    *score = if x == f64::NEG_INFINITY { f32::NEG_INFINITY } else { *score + (x * LOG2_E) as f32 };
                }
            }
        }
    }
}

/// What a block of the block mask does: 0 hides, 1 shows, k > 1 shows what block k of the table has true.
///
/// # Safety
/// Row and key block are within `kinds`.
unsafe fn kind(kinds: &Operand, [batch, head, group, i, j]: [usize; 5]) -> usize {
    let [sb, sh, sg, st, ss] = broadcast_strides(kinds);
    // SAFETY: as promised.
    unsafe { element(kinds, batch * sb + head * sh + group * sg + i * st + j * ss) as usize }
}

/// Whether row and key are shown by the block mask, if there is one.
///
/// # Safety
/// They are within it.
pub unsafe fn shown_by_blocks(call: &Call, [batch, head, group, t, s]: [usize; 5]) -> bool {
    let (Some(kinds), Some(table)) = (call.block_kinds, call.block_table) else { return true };
    let n = table.size(1);
    // SAFETY: as promised; a kind above 1 is a block of the table.
    unsafe {
        match kind(kinds, [batch, head, group, t / n, s / n]) {
            0 => false,
            1 => true,
            k => element(table, k * table.stride(0) + t % n * table.stride(1) + s % n * table.stride(2)) != 0.0,
        }
    }
}

/// Whether the block mask hides a whole span from rows.
///
/// # Safety
/// They are within it.
pub unsafe fn is_hidden_by_blocks(call: &Call, rows: Rows, span: Span) -> bool {
    let (Some(kinds), Some(table)) = (call.block_kinds, call.block_table) else { return false };
    let n = table.size(1);
    let [first, last] = rows.times(call);
    for group in 0..call.groups {
        for i in first / n..=last / n {
            for j in span.from / n..=(span.to - 1) / n {
                // SAFETY: as promised.
                if unsafe { kind(kinds, [rows.batch, rows.head, group, i, j]) } != 0 {
                    return false;
                }
            }
        }
    }
    true
}

unsafe fn hide_by_blocks(call: &Call, rows: Rows, span: Span, scores: Scores, [kinds, table]: [&Operand; 2]) {
    let n = table.size(1);
    for r in 0..rows.count {
        let [group, t] = [rows.group(call, r), rows.time(call, r)];
        let mut s = span.from;
        while s < span.to {
            let end = span.to.min((s / n + 1) * n);
            // SAFETY: row r and keys s to end are within mask and scores.
            unsafe {
                if kind(kinds, [rows.batch, rows.head, group, t / n, s / n]) != 1 {
                    for s in s..end {
                        if !shown_by_blocks(call, [rows.batch, rows.head, group, t, s]) {
                            *scores.at.add((s - scores.first) * rows.lanes + r) = f32::NEG_INFINITY;
                        }
                    }
                }
            }
            s = end;
        }
    }
}

/// Drops weights of a span; those of hidden scores (-0) stay as they are.
///
/// # Safety
/// The weights are there.
pub unsafe fn drop_weights(call: &Call, rows: Rows, span: Span, weights: Scores, dropout: &Dropout) {
    for r in 0..rows.count {
        let row = call.out_row(rows.batch, rows.head, rows.first + r);
        for s in span.from..span.to {
            // SAFETY: row r and key s are within the weights.
            let weight = unsafe { &mut *weights.at.add((s - weights.first) * rows.lanes + r) };
            if weight.to_bits() != (-0.0f32).to_bits() {
                let grow = growth(call, row, s, dropout) as f32;
                *weight = if grow == 0.0 { 0.0 } else { *weight * grow };
            }
        }
    }
}

/// What dropout multiplies a weight by: 0 or `1 / (1 - p)`. Weights are counted in row-major order over all rows.
pub fn growth(call: &Call, row: usize, s: usize, dropout: &Dropout) -> f64 {
    let i = row as u64 * call.keys as u64 + s as u64;
    let draw = f64::from(threefry2x32(dropout.seed, [i as u32, (i >> 32) as u32]) >> 8) / f64::from(1 << 24);
    if draw < dropout.p {
        0.0
    } else {
        1.0 / (1.0 - dropout.p)
    }
}

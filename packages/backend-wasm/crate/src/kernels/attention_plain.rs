//! The naive kernel: a row at a time, a key at a time, element by element, in f64. It is the reference of the tiled one,
//! and takes what that does not: f64.

use super::attention_call::{broadcast_strides, element, per_head, Call};
use super::attention_lines::page;
use super::attention_masks::{growth, shown_by_blocks};
use crate::abi::{dtype, Operand};
use crate::elements::store_f64;
use crate::pool::{parallel_for, scratch};

/// Rows that are worth another thread.
const GRAIN: usize = 8;

/// Fills the outputs of a call.
pub fn run(call: &Call) {
    let rows = call.rows();
    parallel_for(call.batches * call.heads * rows, GRAIN, |range| {
        let sums = scratch(8 * call.value_size).cast::<f64>();
        for i in range {
            // SAFETY: the scratch is this thread's, and row i this range's.
            unsafe {
                let sums = core::slice::from_raw_parts_mut(sums, call.value_size);
                attend(call, [i / rows / call.heads, i / rows % call.heads, i % rows], sums);
            }
        }
    });
}

/// Computes row r of a head.
unsafe fn attend(call: &Call, [batch, head, r]: [usize; 3], sums: &mut [f64]) {
    let (t, g) = (r / call.groups, r % call.groups);
    let row = call.out_row(batch, head, r);
    let sink = call.sinks.map_or(f64::NEG_INFINITY, |x| per_head(x, head, g));
    let (mut largest, mut total) = (sink, if sink == f64::NEG_INFINITY { 0.0 } else { 1.0 + 0.0 * sink });
    sums.fill(0.0);
    for s in 0..call.key_count(batch) {
        // SAFETY: row and key are within the operands.
        unsafe {
            if !call.sees(batch, t, call.key_position(s)) || !shown_by_blocks(call, [batch, head, g, t, s]) {
                continue;
            }
            let (Some(key), Some(value)) =
                (line(call, call.key, batch, head, s), line(call, call.value, batch, head, s))
            else {
                return;
            };
            let score = score(call, [batch, head, g, t, s], key);
            if score == f64::NEG_INFINITY {
                continue;
            }
            let before = largest;
            largest = if score > largest { score } else { largest };
            let base = if largest == f64::NEG_INFINITY { 0.0 } else { largest };
            let (scale, mut weight) = ((before - base).exp(), (score - base).exp());
            total = total * scale + weight;
            if let Some(dropout) = &call.dropout {
                let grow = growth(call, row, s, dropout);
                weight = if grow == 0.0 { 0.0 } else { weight * grow };
            }
            for (d, sum) in sums.iter_mut().enumerate() {
                *sum = *sum * scale + weight * element(call.value, value + d * call.value.stride(3));
            }
        }
    }
    // SAFETY: the row is there.
    unsafe {
        for (d, sum) in sums.iter().enumerate() {
            let x = if total == 0.0 { 0.0 } else { sum / total };
            store_f64(call.out.dtype, false, &x, call.out.ptr, row * call.value_size + d, 1, 1);
        }
        if let Some(x) = call.log_sum_exp {
            let log = if total == 0.0 { f64::NEG_INFINITY } else { largest + total.ln() };
            store_f64(x.dtype, false, &log, x.ptr, row, 1, 1);
        }
    }
}

/// The score of a key that positions and block mask show; -Infinity where the mask hides it.
unsafe fn score(call: &Call, [batch, head, g, t, s]: [usize; 5], key: usize) -> f64 {
    let x = call.query;
    let at = batch * x.stride(0) + head * x.stride(1) + g * x.stride(2) + t * x.stride(3);
    // SAFETY: the caller's.
    unsafe {
        let product = |d| element(x, at + d * x.stride(4)) * element(call.key, key + d * call.key.stride(3));
        let mut score = (0..call.size).map(product).sum::<f64>() * call.scale;
        if call.softcap != 0.0 {
            score = call.softcap * (score / call.softcap).tanh();
        }
        if let Some(slopes) = call.alibi_slopes {
            score += per_head(slopes, head, g) * (call.key_position(s) - call.query_position(batch, t));
        }
        let Some(mask) = call.mask else { return score };
        let [sb, sh, sg, st, ss] = broadcast_strides(mask);
        let x = element(mask, batch * sb + head * sh + g * sg + t * st + s * ss);
        match (mask.dtype == dtype::BOOL, x) {
            (true, 0.0) | (false, f64::NEG_INFINITY) => f64::NEG_INFINITY,
            (true, _) => score,
            (false, _) => score + x,
        }
    }
}

/// Where line s of keys or values begins, after the first element.
unsafe fn line(call: &Call, x: &Operand, batch: usize, head: usize, s: usize) -> Option<usize> {
    let (page, slot) = match call.page_table {
        None => (batch, s),
        Some(table) => (page(call, table, x, batch, s / x.size(2))?, s % x.size(2)),
    };
    Some(page * x.stride(0) + head * x.stride(1) + slot * x.stride(2))
}

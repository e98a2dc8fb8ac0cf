//! The two products of attention on one panel of rows, which are the lanes: `scores[key][row] = key · query` and
//! `sums[row] += weights[key][row] * value[key]`.
//!
//! A panel of eight rows meets four keys (or four rows eight columns) at a time: eight vectors of sums, and a step takes one
//! vector of the left operand, whose lanes are spread by shuffles, and two of the right one. So keys are transposed in
//! fours, once for all panels of a tile; values are taken as they lie.
//!
//! One to four rows (decoding) would not pay for that: there a key is multiplied by each query where it lies, and lanes are
//! added up at the end. A value is scaled by each weight in turn, and added to all of the sums: so it is read from end to
//! end. Memory limits both, and gives more where a few runs are read in turns, as the processor fetches ahead within a page
//! of 4 KiB and starts anew in the next: keys, or values, that are taken together lie a part of the block apart.
//!
//! Share of the machine's multiply-add limit (42 GFLOP/s a thread), 64 keys of 64 in the L1 cache, V8 15.0, best of many:
//! dot_4x8 0.97, add_4x8 0.96.
//!
//! Steps of decoding in GFLOP/s of a whole call on one thread, best of 15 in turns, V8 15.0, a Sapphire Rapids that others
//! used too; 4,096 keys lie beyond the L2 cache:
//!
//!                                          9 heads by 3 of 64          32 heads by 8 of 128
//!                                          512    1,024    4,096        512    1,024    4,096
//!     a vector of columns down all values  19.9    18.8     13.5        21.1    13.3     11.5
//!     keys far apart, fewer shuffles       20.6    19.9     14.8        21.8    14.9     13.3
//!     and eight values at a time           20.0    19.1     14.3        23.1    18.8     17.7
//!
//!     as the first                         20.2    19.2     15.1        20.6    13.9     10.6
//!     and weights in registers             21.5    21.4     18.4        23.3    19.0     16.1
//!     and 128 keys a block                 23.0    22.6     20.2        24.6    19.2     16.9
//!     and 256 keys a block                 23.2    23.2     21.0        24.6    18.3     17.4
//!     and four sums in the softmax         24.2    23.9     20.8        24.6    19.0     17.2
//!
//! With few sums in flight each waits for the last addition; with more than V8 has registers for they spill: four rows
//! take two keys at a time, three take four. Tried and dropped: touching the values' cache lines while scores are computed
//! (no gain: loads that nobody waits for fill the queue too).

use core::arch::wasm32::*;

use super::attention_lines::Lines;
use crate::simd::madd;

/// Rows of a wide panel, and of a narrow one.
pub const WIDE: usize = 8;
pub const NARROW: usize = 4;

#[inline(always)]
unsafe fn load(at: *const f32) -> v128 {
    // SAFETY: the caller's.
    unsafe { v128_load(at.cast()) }
}

#[inline(always)]
unsafe fn store(at: *mut f32, x: v128) {
    // SAFETY: the caller's.
    unsafe { v128_store(at.cast(), x) }
}

/// Lane `i` of each of four, for i in 0..4.
#[inline(always)]
fn transpose([a, b, c, d]: [v128; 4]) -> [v128; 4] {
    let (ab, cd) = (i32x4_shuffle::<0, 4, 1, 5>(a, b), i32x4_shuffle::<0, 4, 1, 5>(c, d));
    let (ab2, cd2) = (i32x4_shuffle::<2, 6, 3, 7>(a, b), i32x4_shuffle::<2, 6, 3, 7>(c, d));
    [
        i64x2_shuffle::<0, 2>(ab, cd),
        i64x2_shuffle::<1, 3>(ab, cd),
        i64x2_shuffle::<0, 2>(ab2, cd2),
        i64x2_shuffle::<1, 3>(ab2, cd2),
    ]
}

/// `to[d * step + i] = lines[i][d]` for d < n, which is a multiple of 4, and i < 4.
///
/// # Safety
/// Four lines of n, and room for n steps.
pub unsafe fn pack(lines: [*const f32; 4], n: usize, to: *mut f32, step: usize) {
    for d in (0..n).step_by(4) {
        // SAFETY: d + 4 <= n.
        unsafe {
            let columns = transpose(lines.map(|line| load(line.add(d))));
            for (i, column) in columns.into_iter().enumerate() {
                store(to.add((d + i) * step), column);
            }
        }
    }
}

/// Scores of four packed keys and eight packed rows of size n: `scores[i][r]`, i < 4, r < 8.
///
/// # Safety
/// `keys` has 4 * n elements, `rows` 8 * n, `scores` 32.
#[inline(never)]
pub unsafe fn dot_4x8(mut keys: *const f32, mut rows: *const f32, n: usize, scores: *mut f32) {
    let mut sums = [f32x4_splat(0.0); 8];
    // SAFETY: as promised.
    unsafe {
        let end = keys.add(4 * n);
        while keys < end {
            let k = load(keys);
            let (q0, q1) = (load(rows), load(rows.add(4)));
            let spread = i32x4_shuffle::<0, 0, 0, 0>(k, k);
            sums[0] = madd(spread, q0, sums[0]);
            sums[1] = madd(spread, q1, sums[1]);
            let spread = i32x4_shuffle::<1, 1, 1, 1>(k, k);
            sums[2] = madd(spread, q0, sums[2]);
            sums[3] = madd(spread, q1, sums[3]);
            let spread = i32x4_shuffle::<2, 2, 2, 2>(k, k);
            sums[4] = madd(spread, q0, sums[4]);
            sums[5] = madd(spread, q1, sums[5]);
            let spread = i32x4_shuffle::<3, 3, 3, 3>(k, k);
            sums[6] = madd(spread, q0, sums[6]);
            sums[7] = madd(spread, q1, sums[7]);
            keys = keys.add(4);
            rows = rows.add(8);
        }
        for (i, sum) in sums.into_iter().enumerate() {
            store(scores.add(4 * i), sum);
        }
    }
}

/// `sums[r][d] = sums[r][d] * scales[r] + sum over j < count of weights[j][r] * value[j][d]`, r < 4, d < 8, where the next
/// weights are 8 further.
///
/// # Safety
/// Room for all these.
#[inline(never)]
pub unsafe fn add_4x8(
    mut weights: *const f32,
    count: usize,
    values: Lines,
    sums: *mut f32,
    step: usize,
    scales: *const f32,
) {
    // SAFETY: as promised.
    unsafe {
        let mut s: [v128; 8] = core::array::from_fn(|i| {
            f32x4_mul(load(sums.add(i / 2 * step + i % 2 * 4)), v128_load32_splat(scales.add(i / 2).cast()))
        });
        let mut at = values.at;
        let end = weights.add(8 * count);
        while weights < end {
            let w = load(weights);
            let (v0, v1) = (load(at), load(at.add(4)));
            let spread = i32x4_shuffle::<0, 0, 0, 0>(w, w);
            s[0] = madd(spread, v0, s[0]);
            s[1] = madd(spread, v1, s[1]);
            let spread = i32x4_shuffle::<1, 1, 1, 1>(w, w);
            s[2] = madd(spread, v0, s[2]);
            s[3] = madd(spread, v1, s[3]);
            let spread = i32x4_shuffle::<2, 2, 2, 2>(w, w);
            s[4] = madd(spread, v0, s[4]);
            s[5] = madd(spread, v1, s[5]);
            let spread = i32x4_shuffle::<3, 3, 3, 3>(w, w);
            s[6] = madd(spread, v0, s[6]);
            s[7] = madd(spread, v1, s[7]);
            weights = weights.add(8);
            at = at.add(values.step);
        }
        for (i, sum) in s.into_iter().enumerate() {
            store(sums.add(i / 2 * step + i % 2 * 4), sum);
        }
    }
}

/// Scores of `count` keys where they lie and R rows, `rows[r * n..]`: `scores[j][r]`, four to a key; K keys at a time,
/// each from its own part of the keys.
///
/// # Safety
/// Room for all these; n is a multiple of 4.
#[inline(never)] // V8 gives a function of its own better registers
pub unsafe fn dot_few<const R: usize, const K: usize>(
    keys: Lines,
    count: usize,
    rows: *const f32,
    n: usize,
    scores: *mut f32,
) {
    let part = count / K;
    // SAFETY: as promised; j + (K - 1) * part < count.
    unsafe {
        for j in 0..part {
            dot_keys::<R, K>(keys.skip(j), part, rows, n, scores.add(4 * j));
        }
        for j in K * part..count {
            dot_keys::<R, 1>(keys.skip(j), 0, rows, n, scores.add(4 * j));
        }
    }
}

#[inline(always)]
unsafe fn dot_keys<const R: usize, const K: usize>(
    keys: Lines,
    apart: usize,
    rows: *const f32,
    n: usize,
    scores: *mut f32,
) {
    let mut sums = [[f32x4_splat(0.0); K]; R];
    // SAFETY: the caller's.
    unsafe {
        for d in (0..n).step_by(4) {
            let q: [v128; R] = core::array::from_fn(|r| load(rows.add(r * n + d)));
            for j in 0..K {
                let k = load(keys.at.add(j * apart * keys.step + d));
                for (sums, &q) in sums.iter_mut().zip(&q) {
                    sums[j] = madd(q, k, sums[j]);
                }
            }
        }
        for j in 0..K {
            store(scores.add(4 * j * apart), across(sums.map(|row| row[j])));
        }
    }
}

/// The sums of each vector's lanes, as lanes.
#[inline(always)]
fn across<const R: usize>(sums: [v128; R]) -> v128 {
    let zero = f32x4_splat(0.0);
    let [a, b, c, d] = core::array::from_fn(|r| if r < R { sums[r] } else { zero });
    let pairs = |a, b| f32x4_add(i32x4_shuffle::<0, 4, 1, 5>(a, b), i32x4_shuffle::<2, 6, 3, 7>(a, b));
    let (ab, cd) = (pairs(a, b), pairs(c, d));
    f32x4_add(i64x2_shuffle::<0, 2>(ab, cd), i64x2_shuffle::<1, 3>(ab, cd))
}

/// `sums[r][d] = sums[r][d] * scales[r] + sum over j < count of weights[j][r] * value[j][d]`, r < R, d < n; K values at a
/// time, each from its own part of them.
///
/// # Safety
/// Room for all these; n is a multiple of 4.
#[inline(never)] // V8 gives a function of its own better registers
pub unsafe fn add_few<const R: usize, const K: usize>(
    weights: *const f32,
    count: usize,
    values: Lines,
    sums: *mut f32,
    n: usize,
    scales: *const f32,
) {
    let part = count / K;
    // SAFETY: as promised; j + (K - 1) * part < count.
    unsafe {
        for r in 0..R {
            let scale = v128_load32_splat(scales.add(r).cast());
            for at in (r * n..(r + 1) * n).step_by(4).map(|d| sums.add(d)) {
                store(at, f32x4_mul(load(at), scale));
            }
        }
        for j in 0..part {
            add_values::<R, K>(weights.add(4 * j), values.skip(j), part, sums, n);
        }
        for j in K * part..count {
            add_values::<R, 1>(weights.add(4 * j), values.skip(j), 0, sums, n);
        }
    }
}

#[inline(always)]
unsafe fn add_values<const R: usize, const K: usize>(
    weights: *const f32,
    values: Lines,
    apart: usize,
    sums: *mut f32,
    n: usize,
) {
    // SAFETY: the caller's.
    unsafe {
        let w: [[v128; R]; K] = core::array::from_fn(|j| {
            core::array::from_fn(|r| v128_load32_splat(weights.add(4 * j * apart + r).cast()))
        });
        for d in (0..n).step_by(4) {
            let mut s: [v128; R] = core::array::from_fn(|r| load(sums.add(r * n + d)));
            for (j, w) in w.iter().enumerate() {
                let v = load(values.at.add(j * apart * values.step + d));
                for (s, &w) in s.iter_mut().zip(w) {
                    *s = madd(w, v, *s);
                }
            }
            for (r, s) in s.into_iter().enumerate() {
                store(sums.add(r * n + d), s);
            }
        }
    }
}

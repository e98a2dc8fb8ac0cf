//! `e^(x - max) / sum of these` along the last dim, x `[…, N]`; a row of -Infinity alone is NaN, as in PyTorch. No settings.
//!
//! A row is read as f32 (f64 for f64), where it lies if it can be, and written where it goes. Two passes: the largest;
//! then exponentials and their sum. The quotients are a third, over what the second left in the cache.

use core::arch::wasm32::*;

use crate::abi::{code, dtype, operands, Operand};
use crate::elements::{load_f32, load_f64, store_f32};
use crate::exp::{exp, Exp};
use crate::pool::{parallel_for, scratch};
use crate::walk::Walk;

/// Elements that outweigh handing a range to another thread.
const GRAIN: usize = 1 << 13;

/// The export.
///
/// # Safety
/// As `abi` says: x, and a contiguous out like it.
#[no_mangle]
pub unsafe extern "C" fn softmax(records: *const Operand, count: u32, _attrs: *const f64) -> u32 {
    // SAFETY: as promised.
    let [x, out] = (unsafe { operands(records, count) }) else { return code::UNSUPPORTED };
    let (n, stride) = (x.size_from_end(0), x.stride_from_end(0));
    let last = x.rank().saturating_sub(1);
    parallel_for(x.numel() / n, GRAIN.div_ceil(n), |range| {
        let room = scratch(8 * n);
        let mut walk = Walk::new(&x.shape[..last], [&x.strides], [x.offset as usize], range.start);
        for row in range {
            // SAFETY: the row lies in x, its result in out, and there is room for one.
            unsafe {
                if x.dtype == dtype::F64 {
                    row_f64(
                        load_f64(x.dtype, x.ptr, walk.at[0], stride, n, room.cast()),
                        out.start::<f64>().add(row * n),
                        n,
                    );
                } else {
                    let from = load_f32(x.dtype, x.ptr, walk.at[0], stride, n, room.cast());
                    let in_place = out.dtype == dtype::F32;
                    let to = if in_place { out.start::<f32>().add(row * n) } else { room.cast() };
                    row_f32(from, to, n);
                    if !in_place {
                        store_f32(out.dtype, to, out.ptr, row * n, 1, n);
                    }
                }
            }
            walk.step();
        }
    });
    code::OK
}

/// # Safety
/// `from` and `to` have n elements; they may be the same.
unsafe fn row_f32(from: *const f32, to: *mut f32, n: usize) {
    let whole = n & !3;
    // SAFETY: i + 4 <= whole <= n, or i < n.
    unsafe {
        let rest = core::slice::from_raw_parts(from.add(whole), n - whole);
        let mut lanes = f32x4_splat(f32::NEG_INFINITY);
        for i in (0..whole).step_by(4) {
            lanes = f32x4_pmax(lanes, v128_load(from.add(i).cast())); // NaN passed over or not: the row is NaN anyway
        }
        let max = to_array(lanes).into_iter().chain(rest.iter().copied()).fold(f32::NEG_INFINITY, f32::max);
        let (base, exponential) = (f32x4_splat(max), Exp::load());
        let mut sums = f32x4_splat(0.0);
        for i in (0..whole).step_by(4) {
            let e = exponential.of(f32x4_sub(v128_load(from.add(i).cast()), base));
            sums = f32x4_add(sums, e);
            v128_store(to.add(i).cast(), e);
        }
        let mut sum = to_array(sums).into_iter().sum::<f32>();
        for i in whole..n {
            let e = f32x4_extract_lane::<0>(exp(f32x4_splat(*from.add(i) - max)));
            sum += e;
            *to.add(i) = e;
        }
        let factor = 1.0 / sum;
        for i in (0..whole).step_by(4) {
            v128_store(to.add(i).cast(), f32x4_mul(v128_load(to.add(i).cast()), f32x4_splat(factor)));
        }
        for i in whole..n {
            *to.add(i) *= factor;
        }
    }
}

fn to_array(x: v128) -> [f32; 4] {
    let mut lanes = [0.0; 4];
    // SAFETY: four lanes.
    unsafe { v128_store(lanes.as_mut_ptr().cast(), x) };
    lanes
}

/// # Safety
/// `from` and `to` have n elements.
unsafe fn row_f64(from: *const f64, to: *mut f64, n: usize) {
    // SAFETY: as promised by the caller.
    let (x, y) = unsafe { (core::slice::from_raw_parts(from, n), core::slice::from_raw_parts_mut(to, n)) };
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for (x, y) in x.iter().zip(y.iter_mut()) {
        *y = (x - max).exp();
        sum += *y;
    }
    y.iter_mut().for_each(|y| *y /= sum);
}

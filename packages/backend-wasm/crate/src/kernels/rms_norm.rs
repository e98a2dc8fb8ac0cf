//! `x * weight / sqrt(mean(x^2) + eps)` along the last dim; x `[…, D]`, weight `[D]`. Setting 0: eps.
//!
//! A row is read as f32 (f64 for f64), where it lies if it can be; squares are summed in four times four lanes, which at
//! D = 8,192 keeps the error of the mean near that of f64. The weight is widened once a range.

use core::arch::wasm32::*;

use crate::abi::{attr, code, dtype, operands, Operand};
use crate::elements::{load_f32, load_f64, store_f32};
use crate::pool::{parallel_for, scratch};
use crate::simd::madd;
use crate::walk::Walk;

/// Elements that outweigh handing a range to another thread.
const GRAIN: usize = 1 << 14;

/// The export.
///
/// # Safety
/// As `abi` says: x, weight, and a contiguous out like x, one setting.
#[no_mangle]
pub unsafe extern "C" fn rms_norm(records: *const Operand, count: u32, attrs: *const f64) -> u32 {
    // SAFETY: as promised.
    let [x, weight, out] = (unsafe { operands(records, count) }) else { return code::UNSUPPORTED };
    // SAFETY: as promised.
    let eps = unsafe { attr(attrs, 0) };
    let (n, stride) = (x.size_from_end(0), x.stride_from_end(0));
    let [last, weight_at, weight_stride] = [x.rank() - 1, weight.offset as usize, weight.stride(0)];
    parallel_for(x.numel() / n, GRAIN.div_ceil(n), |range| {
        let room = scratch(2 * 8 * n);
        let mut walk = Walk::new(&x.shape[..last], [&x.strides], [x.offset as usize], range.start);
        // SAFETY: rows lie in x, results in out, and there is room for a weight and a row.
        unsafe {
            if x.dtype == dtype::F64 {
                let weights = load_f64(weight.dtype, weight.ptr, weight_at, weight_stride, n, room.cast());
                for row in range {
                    let from = load_f64(x.dtype, x.ptr, walk.at[0], stride, n, room.cast::<f64>().add(n));
                    row_f64(from, weights, out.start::<f64>().add(row * n), n, eps);
                    walk.step();
                }
                return;
            }
            let weights = load_f32(weight.dtype, weight.ptr, weight_at, weight_stride, n, room.cast());
            let room = room.cast::<f32>().add(n);
            for row in range {
                let from = load_f32(x.dtype, x.ptr, walk.at[0], stride, n, room);
                let in_place = out.dtype == dtype::F32;
                let to = if in_place { out.start::<f32>().add(row * n) } else { room };
                row_f32(from, weights, to, n, eps);
                if !in_place {
                    store_f32(out.dtype, to, out.ptr, row * n, 1, n);
                }
                walk.step();
            }
        }
    });
    code::OK
}

/// # Safety
/// All have n elements; `from` and `to` may be the same.
unsafe fn row_f32(from: *const f32, weights: *const f32, to: *mut f32, n: usize, eps: f64) {
    let (sixteens, fours) = (n & !15, n & !3);
    // SAFETY: i + 16, i + 4 or i + 1 <= n.
    unsafe {
        let mut sums = [f32x4_splat(0.0); 4];
        for i in (0..sixteens).step_by(16) {
            for (k, sum) in sums.iter_mut().enumerate() {
                let x = v128_load(from.add(i + 4 * k).cast());
                *sum = madd(x, x, *sum);
            }
        }
        let sum = f32x4_add(f32x4_add(sums[0], sums[1]), f32x4_add(sums[2], sums[3]));
        let mut squares = f64::from(f32x4_extract_lane::<0>(sum))
            + f64::from(f32x4_extract_lane::<1>(sum))
            + f64::from(f32x4_extract_lane::<2>(sum))
            + f64::from(f32x4_extract_lane::<3>(sum));
        for i in sixteens..n {
            squares += f64::from(*from.add(i)) * f64::from(*from.add(i));
        }
        let scale = (1.0 / (squares / n as f64 + eps).sqrt()) as f32;
        for i in (0..fours).step_by(4) {
            let x = f32x4_mul(v128_load(from.add(i).cast()), f32x4_splat(scale));
            v128_store(to.add(i).cast(), f32x4_mul(x, v128_load(weights.add(i).cast())));
        }
        for i in fours..n {
            *to.add(i) = *from.add(i) * scale * *weights.add(i);
        }
    }
}

/// # Safety
/// All have n elements.
unsafe fn row_f64(from: *const f64, weights: *const f64, to: *mut f64, n: usize, eps: f64) {
    // SAFETY: as promised by the caller.
    unsafe {
        let x = core::slice::from_raw_parts(from, n);
        let scale = 1.0 / (x.iter().map(|x| x * x).sum::<f64>() / n as f64 + eps).sqrt();
        for (i, x) in x.iter().enumerate() {
            *to.add(i) = x * scale * *weights.add(i);
        }
    }
}

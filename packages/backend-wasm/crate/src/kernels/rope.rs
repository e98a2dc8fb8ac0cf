//! Rotary positions: each pair of elements of x `[B, H, T, D]` is turned by its angle, cos and sin `[B, T, R/2]`:
//!
//!     out[p] = x[p] * cos - x[q] * sin        p, q = i, i + R/2      (half-split: Hugging Face)
//!     out[q] = x[q] * cos + x[p] * sin               2i, 2i + 1      (interleaved: GPT-J, GGUF's llama)
//!
//! Elements from R on pass through. cos and sin may lack leading dims or have size 1 there. Setting 0: interleaved.
//! Rows are read as f32 (f64 for f64); four pairs at a time, interleaved ones split and joined by shuffles.
//!
//! Source: Su et al., "RoFormer" (2021), section 3.4.2.

use core::arch::wasm32::*;

use crate::abi::{attr, code, dtype, operands, Operand, MAX_RANK};
use crate::elements::{load_f32, load_f64, store_f32};
use crate::pool::{parallel_for, scratch};
use crate::walk::Walk;

/// Elements that outweigh handing a range to another thread.
const GRAIN: usize = 1 << 14;

/// The export.
///
/// # Safety
/// As `abi` says: x, cos, sin, and a contiguous out like x, one setting.
#[no_mangle]
pub unsafe extern "C" fn rope(records: *const Operand, count: u32, attrs: *const f64) -> u32 {
    // SAFETY: as promised.
    let [x, cos, sin, out] = (unsafe { operands(records, count) }) else { return code::UNSUPPORTED };
    // SAFETY: as promised.
    let interleaved = unsafe { attr(attrs, 0) } != 0.0;
    let (n, pairs) = (x.size(3), cos.size_from_end(0));
    let strides = [cos, sin].map(strides_over_heads);
    let starts = [x, cos, sin].map(|operand| operand.offset as usize);
    let steps = [x, cos, sin].map(|operand| operand.stride_from_end(0));
    parallel_for(x.numel() / n, GRAIN.div_ceil(n), |range| {
        let room = scratch(4 * 8 * n);
        let mut walk = Walk::new(&x.shape[..3], [&x.strides, &strides[0], &strides[1]], starts, range.start);
        for row in range {
            let [ix, ic, is] = walk.at;
            // SAFETY: the rows lie in the operands, and there is room for four.
            unsafe {
                if x.dtype == dtype::F64 {
                    let room = room.cast::<f64>();
                    let from = load_f64(x.dtype, x.ptr, ix, steps[0], n, room);
                    let c = load_f64(cos.dtype, cos.ptr, ic, steps[1], pairs, room.add(n));
                    let s = load_f64(sin.dtype, sin.ptr, is, steps[2], pairs, room.add(2 * n));
                    turn_f64(from, [c, s], out.start::<f64>().add(row * n), [n, pairs], interleaved);
                } else {
                    let room = room.cast::<f32>();
                    let from = load_f32(x.dtype, x.ptr, ix, steps[0], n, room);
                    let c = load_f32(cos.dtype, cos.ptr, ic, steps[1], pairs, room.add(n));
                    let s = load_f32(sin.dtype, sin.ptr, is, steps[2], pairs, room.add(2 * n));
                    let in_place = out.dtype == dtype::F32;
                    let to = if in_place { out.start::<f32>().add(row * n) } else { room.add(3 * n) };
                    turn_f32(from, [c, s], to, [n, pairs], interleaved);
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

/// Strides along x's B, H, T of angles that have B and T, or less.
fn strides_over_heads(angles: &Operand) -> [u32; MAX_RANK] {
    let stride =
        |from_end| if angles.size_from_end(from_end) == 1 { 0 } else { angles.stride_from_end(from_end) as u32 };
    let mut strides = [0; MAX_RANK];
    [strides[0], strides[2]] = [stride(2), stride(1)];
    strides
}

/// # Safety
/// `from` and `to` have n elements, cos and sin `pairs`, at most n / 2.
unsafe fn turn_f32(
    from: *const f32,
    [cos, sin]: [*const f32; 2],
    to: *mut f32,
    [n, pairs]: [usize; 2],
    interleaved: bool,
) {
    let whole = pairs & !3;
    // SAFETY: four pairs from i on, or one, are within the row.
    unsafe {
        for i in (0..whole).step_by(4) {
            let (c, s) = (v128_load(cos.add(i).cast()), v128_load(sin.add(i).cast()));
            let at = if interleaved { [2 * i, 2 * i + 4] } else { [i, i + pairs] };
            let [x, y] = at.map(|at| v128_load(from.add(at).cast()));
            let (a, b) = if interleaved {
                (i32x4_shuffle::<0, 2, 4, 6>(x, y), i32x4_shuffle::<1, 3, 5, 7>(x, y))
            } else {
                (x, y)
            };
            let p = f32x4_sub(f32x4_mul(a, c), f32x4_mul(b, s));
            let q = f32x4_add(f32x4_mul(b, c), f32x4_mul(a, s));
            let (x, y) = if interleaved {
                (i32x4_shuffle::<0, 4, 1, 5>(p, q), i32x4_shuffle::<2, 6, 3, 7>(p, q))
            } else {
                (p, q)
            };
            v128_store(to.add(at[0]).cast(), x);
            v128_store(to.add(at[1]).cast(), y);
        }
        for i in whole..pairs {
            let [p, q] = if interleaved { [2 * i, 2 * i + 1] } else { [i, i + pairs] };
            let (a, b, c, s) = (*from.add(p), *from.add(q), *cos.add(i), *sin.add(i));
            *to.add(p) = a * c - b * s;
            *to.add(q) = b * c + a * s;
        }
        to.add(2 * pairs).copy_from_nonoverlapping(from.add(2 * pairs), n - 2 * pairs);
    }
}

/// # Safety
/// As `turn_f32`.
unsafe fn turn_f64(
    from: *const f64,
    [cos, sin]: [*const f64; 2],
    to: *mut f64,
    [n, pairs]: [usize; 2],
    interleaved: bool,
) {
    // SAFETY: as promised by the caller.
    unsafe {
        for i in 0..pairs {
            let [p, q] = if interleaved { [2 * i, 2 * i + 1] } else { [i, i + pairs] };
            let (a, b, c, s) = (*from.add(p), *from.add(q), *cos.add(i), *sin.add(i));
            *to.add(p) = a * c - b * s;
            *to.add(q) = b * c + a * s;
        }
        to.add(2 * pairs).copy_from_nonoverlapping(from.add(2 * pairs), n - 2 * pairs);
    }
}

//! Running sum or product along a dim; settings: 0 for sums, 1 for products; the dim. Floats accumulate in f64, ints wrap.

use crate::abi::{attr, code, operands, Operand};
use crate::elements::{is_int, load_f64, load_i32, store_f64, store_i32, PIECE};
use crate::pool::{parallel_for, scratch};
use crate::walk::{without, Walk};

/// Elements that outweigh handing a range to another thread.
const GRAIN: usize = 1 << 14;

/// The export.
///
/// # Safety
/// As `abi` says: x, out of the same shape, two settings.
#[no_mangle]
pub unsafe extern "C" fn scan(records: *const Operand, count: u32, attrs: *const f64) -> u32 {
    // SAFETY: as promised.
    let [x, out] = (unsafe { operands(records, count) }) else { return code::UNSUPPORTED };
    // SAFETY: as promised.
    let (product, dim) = unsafe { (attr(attrs, 0) != 0.0, attr(attrs, 1) as usize) };
    let n = x.size(dim);
    let sizes = without(&x.shape, dim);
    let strides = [without(&x.strides, dim), without(&out.strides, dim)];
    parallel_for(x.numel() / n, GRAIN.div_ceil(n), |range| {
        let starts = [x.offset as usize, out.offset as usize];
        let mut walk = Walk::new(&sizes[..x.rank() - 1], [&strides[0], &strides[1]], starts, range.start);
        for _ in range {
            // SAFETY: the walk gives places of lines within x and out.
            unsafe {
                if is_int(x.dtype) {
                    scan_ints(product, [x, out], dim, walk.at);
                } else {
                    scan_floats(product, [x, out], dim, walk.at);
                }
            }
            walk.step();
        }
    });
    code::OK
}

/// # Safety
/// `at` are starts of lines along `dim`.
unsafe fn scan_floats(product: bool, [x, out]: [&Operand; 2], dim: usize, at: [usize; 2]) {
    let (n, sx, so) = (x.size(dim), x.stride(dim), out.stride(dim));
    let room = scratch(2 * PIECE * 8).cast::<f64>();
    let mut running = if product { 1.0 } else { 0.0 };
    for i in (0..n).step_by(PIECE) {
        let length = PIECE.min(n - i);
        // SAFETY: the piece lies in the line, and `room` holds two.
        unsafe {
            let from = load_f64(x.dtype, x.ptr, at[0] + i * sx, sx, length, room);
            let to = room.add(PIECE);
            for j in 0..length {
                running = if product { running * *from.add(j) } else { running + *from.add(j) };
                *to.add(j) = running;
            }
            store_f64(out.dtype, false, to, out.ptr, at[1] + i * so, so, length);
        }
    }
}

/// # Safety
/// `at` are starts of lines along `dim`.
unsafe fn scan_ints(product: bool, [x, out]: [&Operand; 2], dim: usize, at: [usize; 2]) {
    let (n, sx, so) = (x.size(dim), x.stride(dim), out.stride(dim));
    let room = scratch(2 * PIECE * 4).cast::<i32>();
    let mut running = i32::from(product);
    for i in (0..n).step_by(PIECE) {
        let length = PIECE.min(n - i);
        // SAFETY: the piece lies in the line, and `room` holds two.
        unsafe {
            let from = load_i32(x.dtype, x.ptr, at[0] + i * sx, sx, length, room);
            let to = room.add(PIECE);
            for j in 0..length {
                let value = *from.add(j);
                running = if product { running.wrapping_mul(value) } else { running.wrapping_add(value) };
                *to.add(j) = running;
            }
            store_i32(out.dtype, to, out.ptr, at[1] + i * so, so, length);
        }
    }
}

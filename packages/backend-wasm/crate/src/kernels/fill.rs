//! `out[i] = value + i * step`, i counting out's elements in row-major order; settings: value, step.

use crate::abi::{attr, code, dtype, operands, Operand};
use crate::elements::{move_row, store_f64, Place, PIECE};
use crate::pool::{parallel_for, scratch};
use crate::walk::pieces;

/// Elements that outweigh handing a range to another thread.
const GRAIN: usize = 1 << 16;

/// The export.
///
/// # Safety
/// As `abi` says: one output, two settings.
#[no_mangle]
pub unsafe extern "C" fn fill(records: *const Operand, count: u32, attrs: *const f64) -> u32 {
    // SAFETY: as promised.
    let [out] = (unsafe { operands(records, count) }) else { return code::UNSUPPORTED };
    // SAFETY: as promised.
    let (value, step) = unsafe { (attr(attrs, 0), attr(attrs, 1)) };
    let bytes = dtype::element_bytes(out.dtype);
    let (ptr, stride) = (out.ptr as usize, out.stride_from_end(0));
    parallel_for(out.numel(), GRAIN, |range| {
        let numbers = scratch(PIECE * 8).cast::<f64>();
        // SAFETY: an f64 fits; `pieces` gives places within out, and `numbers` holds PIECE of them.
        unsafe {
            let mut one = value;
            let from = Place { ptr: (&raw mut one).cast(), at: 0, stride: 0 };
            store_f64(out.dtype, false, &value, from.ptr, 0, 0, 1);
            pieces([out], range, PIECE, |piece| {
                let to = Place { ptr: ptr as *mut u8, at: piece.at[0], stride };
                if step == 0.0 {
                    return move_row(bytes, from, to, piece.n);
                }
                for i in 0..piece.n {
                    *numbers.add(i) = value + (piece.flat + i) as f64 * step;
                }
                store_f64(out.dtype, false, numbers, to.ptr, to.at, stride, piece.n);
            });
        }
    });
    code::OK
}

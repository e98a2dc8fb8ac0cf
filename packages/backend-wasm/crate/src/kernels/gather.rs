//! `out[i0, …] = x[…, index[i0, …], …]`, the index put in at a dim; setting: the dim. Elements are moved as they are stored,
//! blocks are decoded.
//!
//! Where all dims after `dim` use one index (an embedding: x `[V, E]`, index `[T, E]` expanded from `[T, 1]`) and x has
//! their elements without gaps, whole rows move at once, and blocks are decoded once.

use crate::abi::{attr, code, dtype, operands, Operand};
use crate::blocks::{decode, SPAN, SPAN_ROOM};
use crate::elements::{load_f64, move_row, store_f32, store_f64, Place, PIECE};
use crate::indices::are_within;
use crate::pool::{parallel_for, scratch};
use crate::walk::Walk;

/// Elements that outweigh handing a range to another thread.
const GRAIN: usize = 1 << 14;

/// The export.
///
/// # Safety
/// As `abi` says: x, index (i32), a contiguous out of index's shape; one setting.
#[no_mangle]
pub unsafe extern "C" fn gather(records: *const Operand, count: u32, attrs: *const f64) -> u32 {
    // SAFETY: as promised.
    let [x, index, out] = (unsafe { operands(records, count) }) else { return code::UNSUPPORTED };
    // SAFETY: as promised.
    let dim = unsafe { attr(attrs, 0) } as usize;
    // SAFETY: the host has checked the index's bounds.
    if !unsafe { are_within(index, x.size(dim)) } {
        return code::INDEX_OUT_OF_RANGE;
    }
    let row_dims = row_dims(x, index, dim);
    let outer = index.rank() - row_dims;
    let n: usize = index.shape[outer..index.rank()].iter().map(|&n| n as usize).product();
    let mut others = x.strides;
    others[dim] = 0;
    parallel_for(index.numel() / n, GRAIN.div_ceil(n), |range| {
        let starts = [index.offset as usize, x.offset as usize];
        let mut walk = Walk::new(&index.shape[..outer], [&index.strides, &others], starts, range.start);
        for row in range {
            // SAFETY: the walk gives places of the index, which is below x's size; n elements from there on are x's.
            unsafe {
                let i = *index.ptr.cast::<i32>().add(walk.at[0]);
                let from = walk.at[1] + i as usize * x.stride(dim);
                if dtype::is_block(x.dtype) {
                    decode_into(x, from, out, row * n, n);
                } else {
                    let source = Place { ptr: x.ptr, at: from, stride: 1 };
                    let target = Place { ptr: out.ptr, at: row * n, stride: 1 };
                    move_row(dtype::element_bytes(x.dtype), source, target, n);
                }
            }
            walk.step();
        }
    });
    code::OK
}

/// How many dims after `dim` form a row: one index for all, elements of x without gaps.
fn row_dims(x: &Operand, index: &Operand, dim: usize) -> usize {
    let rank = index.rank();
    let mut first = rank;
    let mut gapless = 1;
    while first > dim + 1 {
        let d = first - 1;
        let size = index.size(d);
        if size != 1 && !(index.stride(d) == 0 && x.stride(d) == gapless) {
            break;
        }
        gapless *= size;
        first = d;
    }
    rank - first
}

/// # Safety
/// n elements from `from` on are x's, and from `to` on out's.
unsafe fn decode_into(x: &Operand, from: usize, out: &Operand, to: usize, n: usize) {
    // SAFETY: pieces are of n elements; SPAN_ROOM f32 and PIECE f64 fit.
    unsafe {
        let room = scratch(SPAN_ROOM * 4 + PIECE * 8);
        for i in (0..n).step_by(SPAN) {
            let length = SPAN.min(n - i);
            let row = decode(x, from + i, length, room.cast());
            if out.dtype == dtype::F64 {
                let wide = load_f64(dtype::F32, row.cast(), 0, 1, length, room.add(SPAN_ROOM * 4).cast());
                store_f64(out.dtype, false, wide, out.ptr, to + i, 1, length);
            } else {
                store_f32(out.dtype, row, out.ptr, to + i, 1, length);
            }
        }
    }
}

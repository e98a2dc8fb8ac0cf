//! `silu(gate) * up`, where `silu(x) = x / (1 + e^-x)`: the middle of a gated MLP. No settings.
//!
//! Pieces of up to 1024 elements are made contiguous f32 (f64 for f64), where they do not lie so already.

use core::arch::wasm32::*;

use crate::abi::{code, dtype, operands, Operand};
use crate::elements::{load_f32, load_f64, store_f32, PIECE};
use crate::exp::{exp, Exp};
use crate::pool::{parallel_for, scratch};
use crate::walk::pieces;

/// Elements that outweigh handing a range to another thread.
const GRAIN: usize = 1 << 13;

/// The export.
///
/// # Safety
/// As `abi` says: gate and up, and a contiguous out like them.
#[no_mangle]
pub unsafe extern "C" fn silu_mul(records: *const Operand, count: u32, _attrs: *const f64) -> u32 {
    // SAFETY: as promised.
    let [gate, up, out] = (unsafe { operands(records, count) }) else { return code::UNSUPPORTED };
    let [gate_stride, up_stride] = [gate, up].map(|x| x.stride_from_end(0));
    parallel_for(gate.numel(), GRAIN, |range| {
        let room = scratch(3 * 8 * PIECE);
        pieces([gate, up, out], range, PIECE, |piece| {
            let [ig, iu, io] = piece.at;
            let n = piece.n;
            // SAFETY: the piece lies in all three, and there is room for it.
            unsafe {
                if gate.dtype == dtype::F64 {
                    let g = load_f64(gate.dtype, gate.ptr, ig, gate_stride, n, room.cast());
                    let u = load_f64(up.dtype, up.ptr, iu, up_stride, n, room.cast::<f64>().add(PIECE));
                    let to = out.ptr.cast::<f64>().add(io);
                    for i in 0..n {
                        *to.add(i) = *g.add(i) / (1.0 + (-*g.add(i)).exp()) * *u.add(i);
                    }
                    return;
                }
                let room = room.cast::<f32>();
                let g = load_f32(gate.dtype, gate.ptr, ig, gate_stride, n, room);
                let u = load_f32(up.dtype, up.ptr, iu, up_stride, n, room.add(PIECE));
                if out.dtype == dtype::F32 {
                    return row_f32(g, u, out.ptr.cast::<f32>().add(io), n);
                }
                let to = room.add(2 * PIECE);
                row_f32(g, u, to, n);
                store_f32(out.dtype, to, out.ptr, io, 1, n);
            }
        });
    });
    code::OK
}

/// # Safety
/// All have n elements.
unsafe fn row_f32(gate: *const f32, up: *const f32, to: *mut f32, n: usize) {
    let (one, exponential) = (f32x4_splat(1.0), Exp::load());
    let whole = n & !3;
    // SAFETY: i + 4 <= n, or i < n.
    unsafe {
        for i in (0..whole).step_by(4) {
            let (g, u) = (v128_load(gate.add(i).cast()), v128_load(up.add(i).cast()));
            let silu = f32x4_div(g, f32x4_add(one, exponential.of(f32x4_neg(g))));
            v128_store(to.add(i).cast(), f32x4_mul(silu, u));
        }
        for i in whole..n {
            let g = *gate.add(i);
            *to.add(i) = g / (1.0 + f32x4_extract_lane::<0>(exp(f32x4_splat(-g)))) * *up.add(i);
        }
    }
}

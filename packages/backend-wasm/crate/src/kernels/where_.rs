//! `out = condition ? a : b` on operands of one shape, elements moved as they are stored.

use crate::abi::{code, dtype, operands, Operand};
use crate::pool::parallel_for;
use crate::walk::pieces;

/// Elements that outweigh handing a range to another thread.
const GRAIN: usize = 1 << 15;

/// The export.
///
/// # Safety
/// As `abi` says: condition (bool), a and b (one dtype), out.
#[no_mangle]
pub unsafe extern "C" fn where_(records: *const Operand, count: u32, _attrs: *const f64) -> u32 {
    // SAFETY: as promised.
    let [condition, a, b, out] = (unsafe { operands(records, count) }) else { return code::UNSUPPORTED };
    // SAFETY: elements of as many bytes.
    unsafe {
        match dtype::element_bytes(out.dtype) {
            1 => choose::<u8>([condition, a, b, out]),
            2 => choose::<u16>([condition, a, b, out]),
            4 => choose::<u32>([condition, a, b, out]),
            _ => choose::<u64>([condition, a, b, out]),
        }
    }
    code::OK
}

/// # Safety
/// a, b and out hold elements like T, condition bytes, all of one shape and within their buffers.
unsafe fn choose<T: Copy>([condition, a, b, out]: [&Operand; 4]) {
    let starts = [condition.ptr as usize, a.ptr as usize, b.ptr as usize, out.ptr as usize];
    let [sc, sa, sb] = [condition, a, b].map(|operand| operand.stride_from_end(0));
    parallel_for(out.numel(), GRAIN, |range| {
        pieces([condition, a, b, out], range, usize::MAX, |piece| {
            let [ic, ia, ib, io] = piece.at;
            // SAFETY: `pieces` gives places within the operands; out is contiguous.
            unsafe {
                let chosen = (starts[0] as *const u8).add(ic);
                let yes = (starts[1] as *const T).add(ia);
                let no = (starts[2] as *const T).add(ib);
                let to = (starts[3] as *mut T).add(io);
                for i in 0..piece.n {
                    let from = if *chosen.add(i * sc) != 0 { yes.add(i * sa) } else { no.add(i * sb) };
                    *to.add(i) = *from;
                }
            }
        });
    });
}

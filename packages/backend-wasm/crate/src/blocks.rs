//! Stretches of elements that lie in blocks, decoded to f32 wherever they start and end.

use crate::abi::Operand;
use crate::quant::{block_size, decode_blocks};

/// Elements decoded at a time: many blocks, and they stay in the first cache.
pub const SPAN: usize = 1024;

/// Room, in elements, for `decode` of up to SPAN elements: blocks at both ends may stick out.
pub const SPAN_ROOM: usize = SPAN + 2 * 256;

/// Decodes to `room` the blocks that hold elements `start` to `start + n`; returns where in it the element `start` is.
///
/// # Safety
/// The operand is of a block dtype, the elements are its buffer's, and `room` takes them and two blocks more.
pub unsafe fn decode(x: &Operand, start: usize, n: usize, room: *mut f32) -> *const f32 {
    let size = block_size(x.dtype);
    let (first, end) = (start / size, (start + n).div_ceil(size));
    // SAFETY: blocks that hold elements of the buffer are whole in it; end - first of them reach at most a block beyond
    // either end.
    unsafe {
        decode_blocks(x, first, end - first, room);
        room.add(start - first * size)
    }
}

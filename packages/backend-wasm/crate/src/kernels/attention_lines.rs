//! Keys, values or queries as lines of f32. Those that lie so already are used where they lie; all else (halves, q8_0,
//! strided, lines that break at a page, sizes that the products do not take) is copied, and filled up with zeros.
//!
//! With a page table x is a pool `[P, Hkv, pageTokens, D]`, and key s of batch row b lies in slot `s % pageTokens` of page
//! `pageTable[b, s / pageTokens]`; without one x is `[B, Hkv, S, D]`, which is one page a batch row.

use core::sync::atomic::Ordering::Relaxed;

use super::attention_call::{element, Call};
use crate::abi::{dtype, Operand};
use crate::elements::load_f32;
use crate::quant::{block_size, decode_blocks};

/// Element d of line j is `at[j * step + d]`.
#[derive(Clone, Copy)]
pub struct Lines {
    pub at: *const f32,
    pub step: usize,
}

impl Lines {
    /// The lines from line j on.
    ///
    /// # Safety
    /// There is such a line.
    pub unsafe fn skip(self, j: usize) -> Self {
        // SAFETY: as promised.
        Lines { at: unsafe { self.at.add(j * self.step) }, ..self }
    }

    /// All lines from element d on.
    ///
    /// # Safety
    /// There is such an element.
    pub unsafe fn from(self, d: usize) -> Self {
        // SAFETY: as promised.
        Lines { at: unsafe { self.at.add(d) }, ..self }
    }
}

/// Whether x holds f32 lines as the products take them.
fn are_lines(x: &Operand, padded: usize) -> bool {
    x.dtype == dtype::F32 && padded == x.size(3) && (x.stride(3) == 1 || padded == 1)
}

/// Whether each run of `count` lines, from a multiple of that on, can be used where it lies.
pub fn lie_in_runs(call: &Call, x: &Operand, count: usize, padded: usize) -> bool {
    are_lines(x, padded) && (call.page_table.is_none() || x.size(2).is_multiple_of(count))
}

/// Lines `first` to `first + count` of a head of x, each `padded` long; nothing where a page is out of range.
///
/// # Safety
/// `room` has space for `count * padded` elements, and `padded` is at least the size of x's lines.
pub unsafe fn load_lines(
    call: &Call,
    x: &Operand,
    [batch, head]: [usize; 2],
    [first, count]: [usize; 2],
    padded: usize,
    room: *mut f32,
) -> Option<Lines> {
    let tokens = if call.page_table.is_some() { x.size(2) } else { usize::MAX };
    if are_lines(x, padded) && first % tokens + count <= tokens {
        let at = find(call, x, batch, head, first, tokens)?;
        // SAFETY: the lines are all of one page, which lies in x.
        return Some(Lines { at: unsafe { x.start::<f32>().add(at) }, step: x.stride(2) });
    }
    for j in 0..count {
        let at = find(call, x, batch, head, first + j, tokens)?;
        // SAFETY: j < count.
        unsafe { read_row(x, at, x.stride(3), x.size(3), padded, room.add(j * padded)) };
    }
    Some(Lines { at: room, step: padded })
}

/// Where line s of a head begins, after x's first element.
#[inline]
fn find(call: &Call, x: &Operand, batch: usize, head: usize, s: usize, tokens: usize) -> Option<usize> {
    let (page, slot) = match call.page_table {
        None => (batch, s),
        Some(table) => (page(call, table, x, batch, s / tokens)?, s % tokens),
    };
    Some(page * x.stride(0) + head * x.stride(1) + slot * x.stride(2))
}

/// Entry n of a batch row's page table.
pub fn page(call: &Call, table: &Operand, pool: &Operand, batch: usize, n: usize) -> Option<usize> {
    let page = if n < table.size(1) {
        // SAFETY: the table is `[B, N]`.
        unsafe { element(table, batch * table.stride(0) + n * table.stride(1)) }
    } else {
        -1.0
    };
    let found = page >= 0.0 && (page as usize) < pool.size(0);
    if !found {
        call.fault.store(true, Relaxed);
    }
    found.then_some(page as usize)
}

/// Reads n elements of x, which start `at` after its first, as f32, and fills up with zeros.
///
/// # Safety
/// They lie in x, whole blocks where it has blocks; `to` has space for `padded >= n`.
pub unsafe fn read_row(x: &Operand, at: usize, stride: usize, n: usize, padded: usize, to: *mut f32) {
    let at = x.offset as usize + at;
    // SAFETY: as promised.
    unsafe {
        if dtype::is_block(x.dtype) {
            decode_blocks(x, at / block_size(x.dtype), n / block_size(x.dtype), to);
        } else {
            let from = load_f32(x.dtype, x.ptr, at, stride, n, to);
            if from != to.cast_const() {
                to.copy_from_nonoverlapping(from, n);
            }
        }
        to.add(n).write_bytes(0, padded - n);
    }
}

//! The check that gather and scatter make of their indices before they write anything.

use crate::abi::{Operand, MAX_RANK};
use crate::walk::Walk;

/// Whether every index (i32) is within `0..size`; where a stride of 0 repeats one it is read once.
///
/// # Safety
/// The index lies within its buffer.
pub unsafe fn are_within(index: &Operand, size: usize) -> bool {
    let mut sizes = [1u32; MAX_RANK];
    let mut numel = 1;
    for (d, size) in sizes.iter_mut().enumerate().take(index.rank()) {
        if index.stride(d) != 0 {
            *size = index.shape[d];
            numel *= index.size(d);
        }
    }
    let mut walk = Walk::new(&sizes[..index.rank()], [&index.strides], [index.offset as usize], 0);
    (0..numel).all(|_| {
        // SAFETY: the walk gives places within the index.
        let i = unsafe { *index.ptr.cast::<i32>().add(walk.at[0]) };
        walk.step();
        i >= 0 && (i as usize) < size
    })
}

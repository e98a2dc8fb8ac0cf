//! Strided iteration over some dims in row-major order, from any row on: where each of N operands stands.
//!
//! Kernels walk the outer dims and loop over the innermost one themselves. `pieces` also cuts that loop to a length for
//! which there is a buffer, and a range of elements (a thread's share) to its rows.

use core::ops::Range;

use crate::abi::{Operand, MAX_RANK};

/// Offsets, in elements, of N operands along the rows of some dims.
pub struct Walk<'a, const N: usize> {
    /// Where each operand stands.
    pub at: [usize; N],
    index: [usize; MAX_RANK],
    sizes: &'a [u32],
    strides: [&'a [u32]; N],
}

impl<'a, const N: usize> Walk<'a, N> {
    /// Stands at row number `row` of `sizes`; `strides` are those of the same dims, or more.
    #[inline(never)]
    #[optimize(size)]
    pub fn new(sizes: &'a [u32], strides: [&'a [u32]; N], starts: [usize; N], row: usize) -> Self {
        let mut walk = Walk { at: starts, index: [0; MAX_RANK], sizes, strides };
        let mut rest = row;
        for d in (0..sizes.len()).rev() {
            let size = sizes[d] as usize;
            let i = rest % size;
            rest /= size;
            walk.index[d] = i;
            for (at, strides) in walk.at.iter_mut().zip(strides) {
                *at += i * strides[d] as usize;
            }
        }
        walk
    }

    /// The index along dim `d`.
    pub fn index(&self, d: usize) -> usize {
        self.index[d]
    }

    /// Steps to the next row; after the last one stands at the first.
    #[inline(never)]
    #[optimize(size)]
    pub fn step(&mut self) {
        for d in (0..self.sizes.len()).rev() {
            self.index[d] += 1;
            let more = self.index[d] < self.sizes[d] as usize;
            for (at, strides) in self.at.iter_mut().zip(&self.strides) {
                let stride = strides[d] as usize;
                if more {
                    *at += stride;
                } else {
                    *at -= stride * (self.sizes[d] as usize - 1);
                }
            }
            if more {
                return;
            }
            self.index[d] = 0;
        }
    }
}

/// A stretch of a row: where it starts in each operand, and how long it is.
pub struct Piece<const N: usize> {
    /// Offsets in elements.
    pub at: [usize; N],
    /// Elements.
    pub n: usize,
    /// How many elements come before it, in row-major order.
    pub flat: usize,
}

/// Calls `body` for elements `range`, in row-major order of the operands' common shape, a piece of at most `longest`
/// elements of one row at a time.
#[inline]
pub fn pieces<const N: usize>(
    operands: [&Operand; N],
    range: Range<usize>,
    longest: usize,
    mut body: impl FnMut(Piece<N>),
) {
    each_piece(operands, range, longest, &mut body);
}

/// The same, compiled once for each N.
#[inline(never)]
#[optimize(size)]
fn each_piece<const N: usize>(
    operands: [&Operand; N],
    range: Range<usize>,
    longest: usize,
    body: &mut dyn FnMut(Piece<N>),
) {
    let shape = operands[0];
    let last = shape.rank().saturating_sub(1);
    let n = shape.size_from_end(0);
    let sizes = &shape.shape[..last];
    let mut walk = Walk::new(
        sizes,
        operands.map(|operand| &operand.strides[..]),
        operands.map(|operand| operand.offset as usize),
        range.start / n,
    );
    let steps = operands.map(|operand| operand.stride_from_end(0));
    let mut flat = range.start;
    while flat < range.end {
        let column = flat % n;
        let length = (n - column).min(range.end - flat).min(longest);
        let mut at = walk.at;
        for (at, step) in at.iter_mut().zip(steps) {
            *at += column * step;
        }
        body(Piece { at, n: length, flat });
        flat += length;
        if column + length == n {
            walk.step();
        }
    }
}

/// The same list without entry `d`.
pub fn without(list: &[u32; MAX_RANK], d: usize) -> [u32; MAX_RANK] {
    let mut rest = [0; MAX_RANK];
    let mut to = 0;
    for (i, &value) in list.iter().enumerate() {
        if i != d {
            rest[to] = value;
            to += 1;
        }
    }
    rest
}

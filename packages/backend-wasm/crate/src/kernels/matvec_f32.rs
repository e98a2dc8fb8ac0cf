//! One product of float matrices with one to four rows: each weight is read from memory once.
//!
//! Where b's columns are gapless (a weight `[N, K]`, transposed): dot products (matvec_dots_f32.rs). Where its rows are
//! (`[K, N]`): strips of columns (matvec_strips_f32.rs), or panels for one row of a constant b (matvec_panels_f32.rs).
//!
//! Speed by that of a bare read loop over the same weights in one run, medians of 15 or more in turns on a busy machine, one
//! thread, one row. Beyond the L2 cache one run gets less than the columns, or rows, that are taken in turns here:
//!
//!     [N, K] transposed   576 x 1536  0.93      2048 x 2048  1.12
//!     [K, N]              576 x 1536  0.85      2048 x 2048  1.22
//!
//! f16 runs at 0.13 and 0.26 of its own loop: widening (half.rs) takes longer than reading.

use super::matmul_f32::{each, Product};
use super::matvec_dots_f32::dots;
use super::matvec_strips_f32::strips;
use crate::abi::dtype;
use crate::half::{f32_to_bf16, f32_to_f16};
use crate::pool::threads;

/// The most rows: from five on, packing b pays.
pub const MAX_ROWS: usize = 4;
/// Gapless columns that are worth a thread's while.
const GRAIN: usize = 32;
/// Where rows are gapless a thread takes a multiple of so many columns, four times as many at least: longer runs of memory.
const COLUMN_GRAIN: usize = 64;

/// Whether b lies well for it and there are few rows.
pub fn suits(product: &Product) -> bool {
    let b = &product.b;
    product.a.count <= MAX_ROWS && (b.dtype == dtype::F32 || b.is_half()) && (b.k_stride == 1 || b.line_stride == 1)
}

/// Bytes that [`matvec_f32`] scribbles on.
pub fn scratch_bytes(product: &Product) -> usize {
    product.a.count * product.a.k * 4
}

/// Computes the product.
///
/// # Safety
/// `suits` holds, `space` has `scratch_bytes`, and the product's operands lie in their buffers.
pub unsafe fn matvec_f32(product: &Product, space: *mut f32, parallel: bool) {
    for i in 0..product.a.count {
        // SAFETY: row i has its own place.
        unsafe { product.a.read(i, 0, product.a.k, space.add(i * product.a.k)) };
    }
    let x = Rows { start: space, count: product.a.count, length: product.a.k };
    if product.b.k_stride == 1 {
        // SAFETY: ranges are of columns.
        each(parallel, product.b.count, GRAIN, |range| unsafe { dots(product, &x, range) });
    } else {
        let columns = product.b.count;
        let unit = columns.div_ceil(2 * threads()).next_multiple_of(COLUMN_GRAIN).max(4 * COLUMN_GRAIN);
        each(parallel, columns.div_ceil(unit), 1, |range| {
            // SAFETY: ranges are of columns.
            unsafe { strips(product, &x, range.start * unit..columns.min(range.end * unit)) };
        });
    }
}

/// The rows of a, widened, without gaps.
pub struct Rows {
    /// The first.
    pub start: *const f32,
    /// How many.
    pub count: usize,
    /// Their length.
    pub length: usize,
}

// SAFETY: nobody writes them while they are shared.
unsafe impl Sync for Rows {}

/// Stores an element of out.
///
/// # Safety
/// There is such an element.
pub unsafe fn store(product: &Product, row: usize, column: usize, sum: f32) {
    let at = row * product.out_row + column * product.out_column;
    // SAFETY: as the caller promises.
    unsafe {
        match product.out_dtype {
            dtype::F16 => *product.out.cast::<u16>().add(at) = f32_to_f16(sum),
            dtype::BF16 => *product.out.cast::<u16>().add(at) = f32_to_bf16(sum),
            _ => *product.out.cast::<f32>().add(at) = sum,
        }
    }
}

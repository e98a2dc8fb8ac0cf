//! `matmul(a, b, out)`: `[batch…, M, K] x [batch…, K, N] -> [batch…, M, N]`, any strides, batch dims may repeat.
//!
//! Setting 0: 1 where activations may be quantised to int8 for a b in blocks (crate::quant takes those), else 0.
//!
//! - out of a float dtype but f64: matvec_f32 for up to four rows (or, with the sides changed, columns),
//!   matvec_panels_f32 for one row of a packed b, else matmul_blocked_f32
//! - f64, ints and bool: matmul_plain
//!
//! A constant `[K, N]` may be packed once: `matmul_pack_bytes(K, N)` says how much room it takes, `matmul_pack_f32(b, to)`
//! fills it, and a b with `packed` 1 and that pointer is used as it lies (its strides are not; batch strides are 0). That
//! pays from five rows on (speed of [M, 576] x [576, 1536], transposed, packed once by packed each time: 1.5 with 8 rows,
//! 1.1 with 32 and with 64; reading b costs more than packing it), and for one row where b's rows are gapless
//! (matvec_panels_f32); else b is best as it was.
//!
//! Threads take batches where there are many or each is small, else parts of one batch after another.

use super::matmul_f32::{matmul_blocked_f32, scratch_bytes, Product};
use super::matmul_micro::COLUMNS;
use super::matmul_pack::{pack, Lines, MAX_K};
use super::matmul_plain::matmul_plain;
use super::matvec_f32::{self, matvec_f32, MAX_ROWS};
use super::matvec_panels_f32::matvec_panels_f32;
use crate::abi::{attr, code, dtype, operands, Operand};
use crate::pool::{parallel_for, scratch, threads};
use crate::quant::matmul_blocks;

/// Multiply-adds from which on a product is split, some 10 µs.
const SPLIT: usize = 1 << 18;
/// The same where weights are read once: fewer, since reading takes longer than multiplying.
const SPLIT_MATVEC: usize = 1 << 16;

/// `packed` of a b in panels.
const PANELS: u32 = 1;

/// Bytes of a packed `[k, n]`.
#[no_mangle]
pub extern "C" fn matmul_pack_bytes(k: u32, n: u32) -> u32 {
    k * n.next_multiple_of(COLUMNS as u32) * 4
}

/// Packs b `[K, N]`, of any strides and float dtype.
///
/// # Safety
/// One operand, as the host has checked it, and room for `matmul_pack_bytes`.
#[no_mangle]
pub unsafe extern "C" fn matmul_pack_f32(record: *const Operand, to: *mut f32) -> u32 {
    // SAFETY: as the host promises.
    let b = unsafe {
        let b = &*record;
        Lines { ptr: batch_start(b, 0), ..lines(b, 0, 1) }
    };
    let to = to as usize;
    parallel_for(b.count.div_ceil(COLUMNS), 1, |range| {
        for i in range {
            let (first, panel) = (i * COLUMNS, to as *mut f32);
            for k in (0..b.k).step_by(MAX_K) {
                // SAFETY: panel i begins within b, and has its own place.
                unsafe {
                    let to = panel.add((i * b.k + k) * COLUMNS);
                    pack::<COLUMNS>(&b, first, COLUMNS.min(b.count - first), k, MAX_K.min(b.k - k), to);
                }
            }
        }
    });
    code::OK
}

/// The kernel.
///
/// # Safety
/// a, b, out and one setting, as the host has checked them.
#[no_mangle]
pub unsafe extern "C" fn matmul(records: *const Operand, count: u32, attrs: *const f64) -> u32 {
    // SAFETY: as the host promises.
    unsafe {
        let [a, b, out] = operands(records, count) else { return code::UNSUPPORTED };
        if dtype::is_block(b.dtype) {
            return matmul_blocks(a, b, out, attr(attrs, 0) != 0.0);
        }
        multiply(a, b, out);
    }
    code::OK
}

/// # Safety
/// The operands lie in their buffers.
unsafe fn multiply(a: &Operand, b: &Operand, out: &Operand) {
    let batches: usize = (0..out.rank() - 2).map(|d| out.size(d)).product();
    let (one, changed) = sides_changed(Product {
        a: lines(a, 1, 0),
        b: lines(b, 0, 1),
        b_packed: b.packed == PANELS,
        out: out.ptr,
        out_dtype: out.dtype,
        out_row: out.size_from_end(0),
        out_column: 1,
    });
    let multiply_adds = one.a.count * one.b.count * one.a.k;
    let way = Way::of(&one);
    let split = multiply_adds >= if matches!(way, Way::Matvec | Way::MatvecPanels) { SPLIT_MATVEC } else { SPLIT };
    let bytes = way.scratch_bytes(&one);
    let [left, right] = if changed { [b, a] } else { [a, b] };
    let all = Batches { one, a: left, b: right, out };
    if batches > 1 && (!split || batches >= 4 * threads()) {
        parallel_for(batches, SPLIT.div_ceil(multiply_adds), |range| {
            let space = scratch(bytes).cast();
            for i in range {
                // SAFETY: the scratch is this thread's, and batches of out do not overlap.
                unsafe { way.run(&all.at(i), space, false) };
            }
        });
    } else {
        let space = scratch(bytes).cast();
        for i in 0..batches {
            // SAFETY: the scratch is taken around the ranges, which take none.
            unsafe { way.run(&all.at(i), space, split) };
        }
    }
}

/// Rows of a or columns of b: `line` and `k` are dims counted from the last.
fn lines(operand: &Operand, line: usize, k: usize) -> Lines {
    let stride = |d| if operand.size_from_end(d) == 1 { 1 } else { operand.stride_from_end(d) };
    Lines {
        ptr: operand.ptr,
        dtype: operand.dtype,
        count: operand.size_from_end(line),
        k: operand.size_from_end(k),
        line_stride: stride(line),
        k_stride: stride(k),
    }
}

/// The same product as `outᵀ = bᵀ aᵀ`, where only that is one of few rows; and whether it is.
fn sides_changed(product: Product) -> (Product, bool) {
    let floats = product.out_dtype <= dtype::BF16;
    if !floats || product.b_packed || product.a.count <= MAX_ROWS || product.b.count > MAX_ROWS {
        return (product, false);
    }
    let Product { a, b, out_row, out_column, .. } = product;
    let changed = Product { a: b, b: a, out_row: out_column, out_column: out_row, ..product };
    if matvec_f32::suits(&changed) {
        (changed, true)
    } else {
        (product, false)
    }
}

/// The products of all batches: the first one, less its pointers, and the operands that have the others.
struct Batches<'a> {
    one: Product,
    a: &'a Operand,
    b: &'a Operand,
    out: &'a Operand,
}

// SAFETY: the records are only read.
unsafe impl Sync for Batches<'_> {}

impl Batches<'_> {
    /// The product of batch i.
    ///
    /// # Safety
    /// There is such a batch.
    unsafe fn at(&self, i: usize) -> Product {
        let mut product = self.one;
        // SAFETY: as the caller promises.
        unsafe {
            product.a.ptr = batch_start(self.a, i);
            product.b.ptr = batch_start(self.b, i);
            product.out = batch_start(self.out, i);
        }
        product
    }
}

/// Where batch i of an operand begins, counted in row-major order.
///
/// # Safety
/// There is such a batch.
unsafe fn batch_start(operand: &Operand, i: usize) -> *mut u8 {
    let (mut rest, mut at) = (i, operand.offset as usize);
    for d in (0..operand.rank() - 2).rev() {
        at += rest % operand.size(d) * operand.stride(d);
        rest /= operand.size(d);
    }
    // SAFETY: as the caller promises.
    unsafe { operand.ptr.add(at * dtype::element_bytes(operand.dtype)) }
}

/// How a product is computed.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Plain,
    Matvec,
    MatvecPanels,
    Blocked,
}

impl Way {
    fn of(product: &Product) -> Way {
        if product.out_dtype > dtype::BF16 {
            Way::Plain
        } else if product.b_packed && product.a.count == 1 {
            Way::MatvecPanels
        } else if !product.b_packed && matvec_f32::suits(product) {
            Way::Matvec
        } else {
            Way::Blocked
        }
    }

    fn scratch_bytes(self, product: &Product) -> usize {
        match self {
            Way::Plain => 0,
            Way::Matvec | Way::MatvecPanels => matvec_f32::scratch_bytes(product),
            Way::Blocked => scratch_bytes(product),
        }
    }

    /// # Safety
    /// The product's operands lie in their buffers, and `space` has `scratch_bytes`.
    unsafe fn run(self, product: &Product, space: *mut f32, parallel: bool) {
        // SAFETY: as the caller promises.
        unsafe {
            match self {
                Way::Plain => matmul_plain(product, parallel),
                Way::Matvec => matvec_f32(product, space, parallel),
                Way::MatvecPanels => matvec_panels_f32(product, space, parallel),
                Way::Blocked => matmul_blocked_f32(product, space, parallel),
            }
        }
    }
}

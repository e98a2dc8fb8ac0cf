//! One product of float matrices, `a [M, K] x b [K, N] -> out [M, N]`, summed in f32, for five rows and more.
//!
//! Blocks of at most 1024 rows x 1024 columns x 256 steps of k. For each, both operands are packed into panels
//! (matmul_pack.rs), by all threads, and then tiles of 32 rows x 64 columns are computed, by all threads: per panel of b,
//! which stays in the first cache level, the panels of a go by from the second, through the micro-kernel. Sums of 256
//! terms are added up in out; a half-precision out is narrowed from a block of f32 at the end. A constant b may come in
//! panels already (matmul_pack_f32).
//!
//! Packing included, in GFLOP/s and as a share of the limit of fmas on registers, the best of 60 to 120 samples of each
//! (Deno 2.9.6, two cores of 2.6 GHz that others used too; limits 40 with one thread, 63 to 68 with two, 31 plain):
//!
//!                     1 thread     2 threads    plain build
//!     512 cubed       35  0.88     52  0.82     25  0.81
//!     1024 cubed      37  0.90     50  0.74     25  0.80
//!
//! Blocks of 384 and 512 steps were no faster, and slower for few rows of 576 x 1536.

use core::ops::Range;

use super::matmul_micro::{matmul_micro_f32, COLUMNS, ROWS};
use super::matmul_pack::{pack, Lines, MAX_K};
use crate::abi::dtype;
use crate::half::narrow_row;
use crate::pool::parallel_for;

/// Rows and columns of a block: 1 MiB a packed operand, and each is packed again only once in 1024 lines of the other.
const BLOCK: usize = 1024;
/// Panels of a in a tile.
const TILE_ROWS: usize = 8;
/// Panels of b in a tile: 0.5 M multiply-adds, some 25 µs.
const TILE_COLUMNS: usize = 8;
/// Panels packed at a time: rows of b that are gapless are read some 256 bytes at a time.
const PACK_PANELS: usize = 8;

/// One product.
#[derive(Clone, Copy)]
pub struct Product {
    /// Rows of a.
    pub a: Lines,
    /// Columns of b.
    pub b: Lines,
    /// Whether b lies in panels of all its steps, as `matmul_pack_f32` left them.
    pub b_packed: bool,
    /// First element of out.
    pub out: *mut u8,
    /// f32, f16 or bf16.
    pub out_dtype: u32,
    /// Elements from row to row of out.
    pub out_row: usize,
    /// Elements from column to column of out.
    pub out_column: usize,
}

// SAFETY: inputs are only read, and ranges write different elements of out.
unsafe impl Sync for Product {}

/// `parallel_for`, or a call of the body.
pub fn each<F: Fn(Range<usize>) + Sync>(parallel: bool, units: usize, grain: usize, body: F) {
    if parallel {
        parallel_for(units, grain, body);
    } else {
        body(0..units);
    }
}

/// Elements of the packed a, the packed b and the block of sums.
fn spaces(product: &Product) -> [usize; 3] {
    let (m, n) = (product.a.count.min(BLOCK), product.b.count.min(BLOCK));
    let k = product.a.k.min(MAX_K);
    let b = if product.b_packed { 0 } else { n.next_multiple_of(COLUMNS) * k };
    let sums = if product.out_dtype == dtype::F32 { 0 } else { m * n };
    [m.next_multiple_of(ROWS) * k, b, sums]
}

/// Bytes that [`matmul_blocked_f32`] scribbles on.
pub fn scratch_bytes(product: &Product) -> usize {
    spaces(product).iter().sum::<usize>() * 4
}

/// Computes the product; `out_column` is 1.
///
/// # Safety
/// `space` has `scratch_bytes`, and the product's operands lie in their buffers.
pub unsafe fn matmul_blocked_f32(product: &Product, space: *mut f32, parallel: bool) {
    let [a_space, b_space, _] = spaces(product);
    // SAFETY: the three parts follow each other in `space`.
    let (a, b, sums) = unsafe { (space, space.add(a_space), space.add(a_space + b_space)) };
    for column in (0..product.b.count).step_by(BLOCK) {
        for row in (0..product.a.count).step_by(BLOCK) {
            let columns = BLOCK.min(product.b.count - column);
            let rows = BLOCK.min(product.a.count - row);
            let mut block = Block { a, b, b_panel: 0, row, column, rows, columns, k: 0, c: sums, c_row: columns };
            // SAFETY: the block lies in out; where out is not f32 the sums do.
            unsafe {
                if product.out_dtype == dtype::F32 {
                    block.c = product.out.cast::<f32>().add(row * product.out_row + column);
                    block.c_row = product.out_row;
                }
                for k in (0..product.a.k).step_by(MAX_K) {
                    block.k = MAX_K.min(product.a.k - k);
                    block.b_panel = block.k * COLUMNS;
                    if product.b_packed {
                        block.b_panel = product.b.k * COLUMNS;
                        block.b = product.b.ptr.cast_mut().cast::<f32>().add(column * product.b.k + k * COLUMNS);
                    }
                    block.pack(product, k, parallel);
                    block.multiply(k > 0, parallel);
                }
                if product.out_dtype != dtype::F32 {
                    block.narrow(product);
                }
            }
        }
    }
}

/// Part of a product: where its packed operands lie, how far b's panels are apart, and its sums.
#[derive(Clone, Copy)]
struct Block {
    a: *mut f32,
    b: *mut f32,
    b_panel: usize,
    row: usize,
    column: usize,
    rows: usize,
    columns: usize,
    k: usize,
    c: *mut f32,
    c_row: usize,
}

// SAFETY: ranges write different panels, and different tiles of c.
unsafe impl Sync for Block {}

impl Block {
    /// Packs steps `k..k + self.k` of what is not packed, in units of so many panels.
    ///
    /// # Safety
    /// The block lies in the product.
    unsafe fn pack(&self, product: &Product, k: usize, parallel: bool) {
        let (a_lines, b_lines) = (PACK_PANELS * ROWS, PACK_PANELS * COLUMNS);
        let a_units = self.rows.div_ceil(a_lines);
        let b_units = if product.b_packed { 0 } else { self.columns.div_ceil(b_lines) };
        each(parallel, a_units + b_units, 1, |range| {
            for i in range {
                // SAFETY: unit i begins within the block, and its panels have their own place.
                unsafe {
                    if i < a_units {
                        let (i, to) = (i * a_lines, self.a.add(i * a_lines * self.k));
                        pack::<ROWS>(&product.a, self.row + i, a_lines.min(self.rows - i), k, self.k, to);
                    } else {
                        let i = (i - a_units) * b_lines;
                        let to = self.b.add(i * self.k);
                        pack::<COLUMNS>(&product.b, self.column + i, b_lines.min(self.columns - i), k, self.k, to);
                    }
                }
            }
        });
    }

    /// c = a x b, or c += a x b.
    ///
    /// # Safety
    /// Both are packed.
    unsafe fn multiply(&self, add: bool, parallel: bool) {
        let across = self.columns.div_ceil(TILE_COLUMNS * COLUMNS);
        let down = self.rows.div_ceil(TILE_ROWS * ROWS);
        each(parallel, across * down, 1, |range| {
            for i in range {
                // SAFETY: tile i begins within the block.
                unsafe { self.tile(i / across * TILE_ROWS * ROWS, i % across * TILE_COLUMNS * COLUMNS, add) };
            }
        });
    }

    /// # Safety
    /// The tile begins within the block.
    unsafe fn tile(&self, row: usize, column: usize, add: bool) {
        for j in (column..self.columns.min(column + TILE_COLUMNS * COLUMNS)).step_by(COLUMNS) {
            for i in (row..self.rows.min(row + TILE_ROWS * ROWS)).step_by(ROWS) {
                // SAFETY: panels are whole; c is written where it is, the rest at the edge goes through a tile of its own.
                unsafe {
                    let (a, b) = (self.a.add(i * self.k), self.b.add(j / COLUMNS * self.b_panel));
                    let c = self.c.add(i * self.c_row + j);
                    if i + ROWS <= self.rows && j + COLUMNS <= self.columns {
                        matmul_micro_f32(self.k, a, b, c, self.c_row, add);
                    } else {
                        self.edge(a, b, c, ROWS.min(self.rows - i), COLUMNS.min(self.columns - j), add);
                    }
                }
            }
        }
    }

    /// # Safety
    /// c has so many rows and columns.
    unsafe fn edge(&self, a: *const f32, b: *const f32, c: *mut f32, rows: usize, columns: usize, add: bool) {
        let mut whole = [0f32; ROWS * COLUMNS];
        // SAFETY: `whole` is a whole tile; c is touched within rows and columns.
        unsafe {
            matmul_micro_f32(self.k, a, b, whole.as_mut_ptr(), COLUMNS, false);
            for i in 0..rows {
                for j in 0..columns {
                    let to = c.add(i * self.c_row + j);
                    *to = whole[i * COLUMNS + j] + if add { *to } else { 0.0 };
                }
            }
        }
    }

    /// # Safety
    /// The sums are complete.
    unsafe fn narrow(&self, product: &Product) {
        for i in 0..self.rows {
            // SAFETY: row i of the sums and of the block in out.
            unsafe {
                let to = product.out.cast::<u16>().add((self.row + i) * product.out_row + self.column);
                narrow_row(product.out_dtype == dtype::BF16, self.c.add(i * self.c_row), to, self.columns);
            }
        }
    }
}

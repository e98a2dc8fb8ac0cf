//! The innermost product: `c [4, 8] (+)= a [K, 4]ᵀ x b [K, 8]`, on packed panels.
//!
//! Eight sums stay in registers. One step of k loads one vector of a and two of b, and spreads a's lanes by shuffles.
//! What V8 makes of it decides: it has 15 vector registers, folds no load into an fma and, in Deno, checks the bounds of
//! every load (compare and branch, and a `lea` where the limit is in no register). So few loads with few distinct offsets
//! win, and V8 unrolls the loop itself. LLVM's loop strength reduction (LSR) should be off: with it each offset becomes an
//! addition, a check more, and a limit that V8 does not keep (-Cllvm-args=-disable-lsr).
//!
//! Shares of the limit, a loop of fmas on registers (42 GFLOP/s; 31 for mul and add in the plain build), the 95th of 100
//! of interleaved samples, K 240, Deno 2.9.6, a core of 2.6 GHz with two 128-bit fmas a cycle:
//!
//!                               no LSR  LSR           plain, no LSR
//!     4x8   shuffles            0.98    0.92 to 0.95  0.88   this one; about 0.6 while the core's other thread is busy
//!     4x8   unrolled by 2       0.72                  0.86   LLVM hoists the loads, V8 spills
//!     4x8   unrolled by 4       0.77                  0.86   the same
//!     4x8   load32_splat        0.73    0.79          0.80   six loads, each with a limit of its own
//!     5x8   load32_splat        0.78    0.63          0.86
//!     6x8   load32_splat        0.82    0.66          0.86
//!     3x12  load32_splat        0.79    0.86          0.87
//!     2x16  load32_splat        0.75    0.80          0.82
//!     4x12  load32_splat        0.76    0.72          0.90   spills
//!     4x12  shuffles            0.71    0.72          0.87   spills
//!     8x4   shuffles            0.80    0.81          0.71   a shuffle an fma

use core::arch::wasm32::*;

use crate::simd::madd;

/// Rows of a tile.
pub const ROWS: usize = 4;
/// Columns of a tile.
pub const COLUMNS: usize = 8;

/// Stores the product of two panels in c, or adds it.
///
/// # Safety
/// `a` has `4 * k` elements, `b` `8 * k`, and c 4 rows of 8 that are `row` elements apart.
#[inline(never)] // its registers are all there are
pub unsafe fn matmul_micro_f32(k: usize, a: *const f32, b: *const f32, c: *mut f32, row: usize, add: bool) {
    let (mut a, mut b) = (a, b);
    let mut sums = [[f32x4_splat(0.0); 2]; ROWS];
    // SAFETY: the panels hold k steps, c 4 rows of two vectors, as the caller promises.
    unsafe {
        let end = a.add(ROWS * k);
        while a != end {
            let (x, left, right) = (v128_load(a.cast()), v128_load(b.cast()), v128_load(b.add(4).cast()));
            let lanes = [
                i32x4_shuffle::<0, 0, 0, 0>(x, x),
                i32x4_shuffle::<1, 1, 1, 1>(x, x),
                i32x4_shuffle::<2, 2, 2, 2>(x, x),
                i32x4_shuffle::<3, 3, 3, 3>(x, x),
            ];
            for (sum, lane) in sums.iter_mut().zip(lanes) {
                *sum = [madd(lane, left, sum[0]), madd(lane, right, sum[1])];
            }
            (a, b) = (a.add(ROWS), b.add(COLUMNS));
        }
        for (i, sum) in sums.iter().enumerate() {
            for (j, &value) in sum.iter().enumerate() {
                let to = c.add(i * row + 4 * j).cast();
                v128_store(to, if add { f32x4_add(v128_load(to), value) } else { value });
            }
        }
    }
}

//! One product of f64, i32, u8 or bool matrices: three loops and no more, rows split over threads.
//!
//! f64 sums in f64 (b may be any float); ints wrap to 32 bits, and a u8's sum to 8 when it is stored; bool says whether
//! the sum is not 0.

use super::matmul_f32::{each, Product};
use super::matmul_pack::Lines;
use crate::abi::dtype;
use crate::half::{bf16_to_f32, f16_to_f32};

/// Multiply-adds that are worth a thread's while.
const GRAIN: usize = 1 << 14;

/// Computes the product, in out's dtype.
///
/// # Safety
/// The product's operands lie in their buffers; the dtypes are as above.
pub unsafe fn matmul_plain(product: &Product, parallel: bool) {
    let (columns, k) = (product.b.count, product.a.k);
    each(parallel, product.a.count, GRAIN.div_ceil(columns * k), |range| {
        for i in range {
            for j in 0..columns {
                // SAFETY: there are such a row and such a column.
                unsafe { element(product, i, j) };
            }
        }
    });
}

/// # Safety
/// There are such a row and such a column.
unsafe fn element(product: &Product, i: usize, j: usize) {
    let (a, b, to) = (&product.a, &product.b, i * product.out_row + j * product.out_column);
    // SAFETY: as the caller promises; k is below the lines' length.
    unsafe {
        if product.out_dtype == dtype::F64 {
            let sum = (0..a.k).map(|k| float(a, i, k) * float(b, j, k)).sum::<f64>();
            *product.out.cast::<f64>().add(to) = sum;
            return;
        }
        let sum = (0..a.k).fold(0i32, |sum, k| sum.wrapping_add(int(a, i, k).wrapping_mul(int(b, j, k))));
        match product.out_dtype {
            dtype::I32 => *product.out.cast::<i32>().add(to) = sum,
            dtype::U8 => *product.out.add(to) = sum as u8,
            _ => *product.out.add(to) = u8::from(sum != 0),
        }
    }
}

/// # Safety
/// There is such an element.
unsafe fn float(lines: &Lines, line: usize, k: usize) -> f64 {
    // SAFETY: as the caller promises, and the dtype says how it is stored.
    unsafe {
        let at = lines.at(line, k);
        match lines.dtype {
            dtype::F64 => *at.cast::<f64>(),
            dtype::F16 => f64::from(f16_to_f32(*at.cast::<u16>())),
            dtype::BF16 => f64::from(bf16_to_f32(*at.cast::<u16>())),
            _ => f64::from(*at.cast::<f32>()),
        }
    }
}

/// # Safety
/// There is such an element.
unsafe fn int(lines: &Lines, line: usize, k: usize) -> i32 {
    // SAFETY: as the caller promises, and the dtype says how it is stored.
    unsafe {
        let at = lines.at(line, k);
        if lines.dtype == dtype::I32 {
            *at.cast::<i32>()
        } else {
            i32::from(*at)
        }
    }
}

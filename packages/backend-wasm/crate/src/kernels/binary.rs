//! `out = op(a, b)` on operands of one shape and dtype; setting 0: the op's place (src/kernels.ts: BINARY_OPS).
//!
//! Pieces of up to 1024 elements are made contiguous f32, f64 or i32 (halves are f32; an operand that repeats one element
//! is spread), and a loop for the op runs over them. Arithmetic on f32 goes by four lanes, in place where it is contiguous.

use core::arch::wasm32::*;

use crate::abi::{attr, code, dtype, operands, Operand};
use crate::elements::{is_int, load_f32, load_f64, load_i32, store_f32, store_i32, PIECE};
use crate::functions::pow_i32;
use crate::pool::{parallel_for, scratch};
use crate::walk::pieces;

const ADD: u32 = 0;
const SUB: u32 = 1;
const MUL: u32 = 2;
const DIV: u32 = 3;
const POW: u32 = 4;
const MAXIMUM: u32 = 5;
const MINIMUM: u32 = 6;
const EQ: u32 = 7;
const NE: u32 = 8;
const LT: u32 = 9;
const LE: u32 = 10;
const GT: u32 = 11;
const GE: u32 = 12;
const LOGICAL_AND: u32 = 13;
const LOGICAL_OR: u32 = 14;

/// Elements that outweigh handing a range to another thread.
const GRAIN: usize = 1 << 15;

/// The export.
///
/// # Safety
/// As `abi` says: a, b, and a contiguous out of their dtype (bool for comparisons and logic), one setting.
#[no_mangle]
pub unsafe extern "C" fn binary(records: *const Operand, count: u32, attrs: *const f64) -> u32 {
    // SAFETY: as promised.
    let [a, b, out] = (unsafe { operands(records, count) }) else { return code::UNSUPPORTED };
    // SAFETY: as promised.
    let op = unsafe { attr(attrs, 0) } as u32;
    let (sa, sb) = (a.stride_from_end(0), b.stride_from_end(0));
    parallel_for(a.numel(), GRAIN, |range| {
        let room = scratch(3 * PIECE * 8);
        pieces([a, b, out], range, PIECE, |piece| {
            let [ia, ib, io] = piece.at;
            let n = piece.n;
            // SAFETY: `pieces` gives places within the operands, and at most PIECE elements, for which there is room.
            unsafe {
                if a.dtype == dtype::F64 {
                    let room = room.cast::<f64>();
                    let x = load_f64(a.dtype, a.ptr, ia, sa, n, room);
                    let y = load_f64(b.dtype, b.ptr, ib, sb, n, room.add(PIECE));
                    if op >= EQ {
                        compare(op, x, y, out.ptr.add(io), n, 0.0);
                    } else {
                        map(x, y, out.ptr.cast::<f64>().add(io), n, |x, y| function_f64(op, x, y));
                    }
                } else if is_int(a.dtype) {
                    let room = room.cast::<i32>();
                    let x = load_i32(a.dtype, a.ptr, ia, sa, n, room);
                    let y = load_i32(b.dtype, b.ptr, ib, sb, n, room.add(PIECE));
                    if op >= EQ {
                        compare(op, x, y, out.ptr.add(io), n, 0);
                    } else {
                        let to = room.add(2 * PIECE);
                        map(x, y, to, n, |x, y| function_i32(op, x, y));
                        store_i32(out.dtype, to, out.ptr, io, 1, n);
                    }
                } else {
                    let room = room.cast::<f32>();
                    let x = load_f32(a.dtype, a.ptr, ia, sa, n, room);
                    let y = load_f32(b.dtype, b.ptr, ib, sb, n, room.add(PIECE));
                    if op >= EQ {
                        compare(op, x, y, out.ptr.add(io), n, 0.0);
                    } else if out.dtype == dtype::F32 {
                        map_f32(op, x, y, out.ptr.cast::<f32>().add(io), n);
                    } else {
                        let to = room.add(2 * PIECE);
                        map_f32(op, x, y, to, n);
                        store_f32(out.dtype, to, out.ptr, io, 1, n);
                    }
                }
            }
        });
    });
    code::OK
}

/// # Safety
/// x, y and to have n elements.
#[inline(always)]
unsafe fn map<T: Copy>(x: *const T, y: *const T, to: *mut T, n: usize, f: impl Fn(T, T) -> T) {
    for i in 0..n {
        // SAFETY: i < n.
        unsafe { *to.add(i) = f(*x.add(i), *y.add(i)) };
    }
}

/// # Safety
/// x, y and to have n elements.
#[inline(always)]
unsafe fn lanes(x: *const f32, y: *const f32, to: *mut f32, n: usize, f: impl Fn(v128, v128) -> v128) {
    let whole = n & !3;
    // SAFETY: i + 4 <= n in the first loop, i < n in the second, which reads and writes one lane.
    unsafe {
        for i in (0..whole).step_by(4) {
            v128_store(to.add(i).cast(), f(v128_load(x.add(i).cast()), v128_load(y.add(i).cast())));
        }
        for i in whole..n {
            let result = f(f32x4_splat(*x.add(i)), f32x4_splat(*y.add(i)));
            *to.add(i) = f32x4_extract_lane::<0>(result);
        }
    }
}

/// # Safety
/// x, y and to have n elements.
unsafe fn map_f32(op: u32, x: *const f32, y: *const f32, to: *mut f32, n: usize) {
    // SAFETY: as promised by the caller.
    unsafe {
        match op {
            ADD => lanes(x, y, to, n, |x, y| f32x4_add(x, y)),
            SUB => lanes(x, y, to, n, |x, y| f32x4_sub(x, y)),
            MUL => lanes(x, y, to, n, |x, y| f32x4_mul(x, y)),
            DIV => lanes(x, y, to, n, |x, y| f32x4_div(x, y)),
            MAXIMUM => lanes(x, y, to, n, |x, y| f32x4_max(x, y)), // NaN wins from either side
            MINIMUM => lanes(x, y, to, n, |x, y| f32x4_min(x, y)),
            _ => map(x, y, to, n, |x, y| f64::from(x).powf(f64::from(y)) as f32),
        }
    }
}

fn function_f64(op: u32, x: f64, y: f64) -> f64 {
    match op {
        ADD => x + y,
        SUB => x - y,
        MUL => x * y,
        DIV => x / y,
        POW => x.powf(y),
        MAXIMUM if x > y || x.is_nan() => x,
        MINIMUM if x < y || x.is_nan() => x,
        _ => y,
    }
}

/// Of bools too, where `+` means or and `*` and: the store makes 1 of 2.
fn function_i32(op: u32, x: i32, y: i32) -> i32 {
    match op {
        ADD => x.wrapping_add(y),
        SUB => x.wrapping_sub(y),
        MUL => x.wrapping_mul(y),
        DIV => (f64::from(x) / f64::from(y)) as i32,
        POW => pow_i32(x, y),
        MAXIMUM => x.max(y),
        _ => x.min(y),
    }
}

/// # Safety
/// x, y and to have n elements.
#[inline(always)]
unsafe fn compare<T: Copy + PartialOrd>(op: u32, x: *const T, y: *const T, to: *mut u8, n: usize, zero: T) {
    for i in 0..n {
        // SAFETY: i < n.
        unsafe {
            let (x, y) = (*x.add(i), *y.add(i));
            *to.add(i) = u8::from(match op {
                EQ => x == y,
                NE => x != y,
                LT => x < y,
                LE => x <= y,
                GT => x > y,
                GE => x >= y,
                LOGICAL_AND => x != zero && y != zero,
                LOGICAL_OR => x != zero || y != zero,
                _ => (x != zero) != (y != zero),
            });
        }
    }
}

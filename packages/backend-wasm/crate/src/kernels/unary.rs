//! `out = op(x)`; setting 0: the op's place in `OPS` (src/kernels.ts: UNARY_OPS).
//!
//! Pieces of up to 1024 elements are made contiguous f32, f64 or i32 (halves are f32), a loop for the op runs over them, and
//! what it wrote is stored. f32 where it is contiguous is read and written in place. Loops on f32 lanes: plain arithmetic,
//! and what models spend time in (exp, sigmoid, silu, tanh, geluTanh). Others compute each element in f64 and round once.

use core::arch::wasm32::*;

use crate::abi::{attr, code, dtype, operands, Operand};
use crate::elements::{is_int, load_f32, load_f64, load_i32, store_f32, store_i32, PIECE};
use crate::exp::Exp;
use crate::functions::{erf, erfc, sigmoid, sigmoid_f64, tanh};
use crate::pool::{parallel_for, scratch};
use crate::walk::pieces;

const NEG: u32 = 0;
const ABS: u32 = 1;
const SIGN: u32 = 2;
const SQUARE: u32 = 3;
const EXP: u32 = 4;
const EXP2: u32 = 5;
const EXPM1: u32 = 6;
const LOG: u32 = 7;
const LOG2: u32 = 8;
const LOG1P: u32 = 9;
const SQRT: u32 = 10;
const RSQRT: u32 = 11;
const RECIPROCAL: u32 = 12;
const SIN: u32 = 13;
const COS: u32 = 14;
const TANH: u32 = 15;
const ERF: u32 = 16;
const SIGMOID: u32 = 17;
const RELU: u32 = 18;
const SILU: u32 = 19;
const GELU: u32 = 20;
const GELU_TANH: u32 = 21;
const FLOOR: u32 = 22;
const CEIL: u32 = 23;
const ROUND: u32 = 24;
const TRUNC: u32 = 25;
const ISNAN: u32 = 26;
const ISINF: u32 = 27;
const ISFINITE: u32 = 28;

/// Elements of plain arithmetic that outweigh handing a range to another thread.
const GRAIN: usize = 1 << 15;
/// The same of a function that takes tens of instructions.
const GRAIN_OF_FUNCTIONS: usize = 1 << 12;

const SQRT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;

/// The export.
///
/// # Safety
/// As `abi` says: x, and a contiguous out of x's dtype (bool for the tests), one setting.
#[no_mangle]
pub unsafe extern "C" fn unary(records: *const Operand, count: u32, attrs: *const f64) -> u32 {
    // SAFETY: as promised.
    let [x, out] = (unsafe { operands(records, count) }) else { return code::UNSUPPORTED };
    // SAFETY: as promised.
    let op = unsafe { attr(attrs, 0) } as u32;
    let grain = if matches!(op, EXP..=LOG1P | SIN..=SIGMOID | SILU..=GELU_TANH) { GRAIN_OF_FUNCTIONS } else { GRAIN };
    parallel_for(x.numel(), grain, |range| {
        let room = scratch(2 * PIECE * 8);
        pieces([x, out], range, PIECE, |piece| {
            let at = [piece.at[0], piece.at[1]];
            // SAFETY: `pieces` gives places within x and out, and at most PIECE elements, for which there is room.
            unsafe {
                if op >= ISNAN {
                    test_piece(op, x, out, at, piece.n, room);
                } else if x.dtype == dtype::F64 {
                    let from = load_f64(x.dtype, x.ptr, at[0], x.stride_from_end(0), piece.n, room.cast());
                    map_f64(op, from, out.ptr.cast::<f64>().add(at[1]), piece.n);
                } else if is_int(x.dtype) {
                    let from = load_i32(x.dtype, x.ptr, at[0], x.stride_from_end(0), piece.n, room.cast());
                    let to = room.cast::<i32>().add(PIECE);
                    map_i32(op, from, to, piece.n);
                    store_i32(out.dtype, to, out.ptr, at[1], 1, piece.n);
                } else {
                    f32_piece(op, x, out, at, piece.n, room.cast());
                }
            }
        });
    });
    code::OK
}

/// # Safety
/// `at` are places of n <= PIECE elements in x and out, `room` holds 2 * PIECE f32.
unsafe fn f32_piece(op: u32, x: &Operand, out: &Operand, at: [usize; 2], n: usize, room: *mut f32) {
    // SAFETY: as promised by the caller.
    unsafe {
        let from = load_f32(x.dtype, x.ptr, at[0], x.stride_from_end(0), n, room);
        if out.dtype == dtype::F32 {
            return map_f32(op, from, out.ptr.cast::<f32>().add(at[1]), n);
        }
        let to = room.add(PIECE);
        map_f32(op, from, to, n);
        store_f32(out.dtype, to, out.ptr, at[1], 1, n);
    }
}

/// The four that give a bool: all dtypes by way of f64, which holds each of their values.
///
/// # Safety
/// `at` are places of n <= PIECE elements in x and out, `room` holds PIECE f64.
unsafe fn test_piece(op: u32, x: &Operand, out: &Operand, at: [usize; 2], n: usize, room: *mut u8) {
    // SAFETY: as promised by the caller.
    unsafe {
        let from = load_f64(x.dtype, x.ptr, at[0], x.stride_from_end(0), n, room.cast());
        let to = out.ptr.add(at[1]);
        for i in 0..n {
            let value = *from.add(i);
            *to.add(i) = u8::from(match op {
                ISNAN => value.is_nan(),
                ISINF => value.is_infinite(),
                ISFINITE => value.is_finite(),
                _ => value == 0.0,
            });
        }
    }
}

/// # Safety
/// `from` and `to` have n elements; they may be the same.
#[inline(always)]
unsafe fn lanes(from: *const f32, to: *mut f32, n: usize, f: impl Fn(v128) -> v128) {
    let whole = n & !3;
    // SAFETY: i + 4 <= n in the loop, whole + rest = n after it.
    unsafe {
        for i in (0..whole).step_by(4) {
            v128_store(to.add(i).cast(), f(v128_load(from.add(i).cast())));
        }
        if whole < n {
            let mut last = [0f32; 4];
            last[..n - whole].copy_from_slice(core::slice::from_raw_parts(from.add(whole), n - whole));
            let result = f(v128_load(last.as_ptr().cast()));
            v128_store(last.as_mut_ptr().cast(), result);
            core::ptr::copy_nonoverlapping(last.as_ptr(), to.add(whole), n - whole);
        }
    }
}

/// # Safety
/// `from` and `to` have n elements; they may be the same.
unsafe fn map_f32(op: u32, from: *const f32, to: *mut f32, n: usize) {
    let one = f32x4_splat(1.0);
    let zero = f32x4_splat(0.0);
    let e = Exp::load();
    // SAFETY: as promised by the caller.
    unsafe {
        match op {
            NEG => lanes(from, to, n, |x| f32x4_neg(x)),
            ABS => lanes(from, to, n, |x| f32x4_abs(x)),
            SQUARE => lanes(from, to, n, |x| f32x4_mul(x, x)),
            EXP => lanes(from, to, n, |x| whole_exp(&e, x)),
            SQRT => lanes(from, to, n, |x| f32x4_sqrt(x)),
            RSQRT => lanes(from, to, n, |x| f32x4_div(one, f32x4_sqrt(x))),
            RECIPROCAL => lanes(from, to, n, |x| f32x4_div(one, x)),
            TANH => lanes(from, to, n, |x| tanh(&e, x)),
            SIGMOID => lanes(from, to, n, |x| sigmoid(&e, x)),
            RELU => lanes(from, to, n, |x| v128_andnot(x, f32x4_lt(x, zero))),
            SILU => lanes(from, to, n, |x| f32x4_div(x, f32x4_add(one, e.of(f32x4_neg(x))))),
            GELU_TANH => lanes(from, to, n, |x| gelu_tanh(&e, x)),
            FLOOR => lanes(from, to, n, |x| f32x4_floor(x)),
            CEIL => lanes(from, to, n, |x| f32x4_ceil(x)),
            ROUND => lanes(from, to, n, |x| f32x4_nearest(x)),
            TRUNC => lanes(from, to, n, |x| f32x4_trunc(x)),
            _ => {
                for i in 0..n {
                    *to.add(i) = function(op, f64::from(*from.add(i))) as f32;
                }
            }
        }
    }
}

/// `e^x` to the very ends of f32, where `Exp` gives 0 and infinity too early.
#[inline(always)]
fn whole_exp(exp: &Exp, x: v128) -> v128 {
    let inside = f32x4_le(f32x4_abs(x), f32x4_splat(87.0));
    if i32x4_all_true(inside) {
        return exp.of(x);
    }
    exp_one_by_one(x)
}

#[cold]
#[inline(never)]
fn exp_one_by_one(x: v128) -> v128 {
    let one = |x: f32| f64::from(x).exp() as f32;
    f32x4(
        one(f32x4_extract_lane::<0>(x)),
        one(f32x4_extract_lane::<1>(x)),
        one(f32x4_extract_lane::<2>(x)),
        one(f32x4_extract_lane::<3>(x)),
    )
}

/// `x * sigmoid(2u)`, which is `x (1 + tanh u) / 2`, with `u = sqrt(2 / pi) (x + 0.044715 x^3)`.
#[inline(always)]
fn gelu_tanh(exp: &Exp, x: v128) -> v128 {
    let cube = f32x4_mul(f32x4_mul(x, x), x);
    let u = f32x4_add(x, f32x4_mul(cube, f32x4_splat(0.044715)));
    f32x4_mul(x, sigmoid(exp, f32x4_mul(u, f32x4_splat(2.0 * SQRT_2_OVER_PI as f32))))
}

/// # Safety
/// `from` and `to` have n elements; they may be the same.
unsafe fn map_f64(op: u32, from: *const f64, to: *mut f64, n: usize) {
    for i in 0..n {
        // SAFETY: i < n.
        unsafe { *to.add(i) = function(op, *from.add(i)) };
    }
}

/// Any op but the tests, in f64.
fn function(op: u32, x: f64) -> f64 {
    match op {
        NEG => -x,
        ABS => x.abs(),
        SIGN => f64::from(i8::from(x > 0.0) - i8::from(x < 0.0)), // 0 for NaN
        SQUARE => x * x,
        EXP => x.exp(),
        EXP2 => x.exp2(),
        EXPM1 => x.exp_m1(),
        LOG => x.ln(),
        LOG2 => x.log2(),
        LOG1P => x.ln_1p(),
        SQRT => x.sqrt(),
        RSQRT => 1.0 / x.sqrt(),
        RECIPROCAL => 1.0 / x,
        SIN => x.sin(),
        COS => x.cos(),
        TANH => x.tanh(),
        ERF => erf(x),
        SIGMOID => sigmoid_f64(x),
        RELU if x < 0.0 => 0.0,
        RELU => x,
        SILU => x / (1.0 + (-x).exp()),
        GELU => 0.5 * x * erfc(-x * core::f64::consts::FRAC_1_SQRT_2),
        GELU_TANH => x * sigmoid_f64(2.0 * SQRT_2_OVER_PI * (x + 0.044715 * x * x * x)),
        FLOOR => x.floor(),
        CEIL => x.ceil(),
        ROUND => x.round_ties_even(),
        _ => x.trunc(),
    }
}

/// # Safety
/// `from` and `to` have n elements; they may be the same.
unsafe fn map_i32(op: u32, from: *const i32, to: *mut i32, n: usize) {
    for i in 0..n {
        // SAFETY: i < n.
        unsafe {
            let x = *from.add(i);
            *to.add(i) = match op {
                NEG => x.wrapping_neg(),
                ABS => x.wrapping_abs(),
                SIGN => x.signum(),
                SQUARE => x.wrapping_mul(x),
                RELU => x.max(0),
                _ => x, // whole already
            };
        }
    }
}

//! `out[…, index[i0, …], …] += source[i0, …]`, or `=`, in row-major order of the index, so that the last write wins;
//! settings: the dim, 0 for adding and 1 for setting. `out` is any view and holds what is there before.
//!
//! One thread: two indices may be equal. f16 and bf16 are added up in f32 and rounded once, bools are or-ed.

use core::ops::Add;

use crate::abi::{attr, code, dtype, operands, Operand};
use crate::elements::{load_f32, store_f32, PIECE};
use crate::indices::are_within;
use crate::pool::scratch;
use crate::walk::{pieces, Walk};

/// The export.
///
/// # Safety
/// As `abi` says: index (i32), source and out of one dtype; two settings.
#[no_mangle]
pub unsafe extern "C" fn scatter(records: *const Operand, count: u32, attrs: *const f64) -> u32 {
    // SAFETY: as promised.
    let [index, source, out] = (unsafe { operands(records, count) }) else { return code::UNSUPPORTED };
    // SAFETY: as promised.
    let (dim, adds) = unsafe { (attr(attrs, 0) as usize, attr(attrs, 1) == 0.0) };
    // SAFETY: the host has checked all bounds.
    unsafe {
        if !are_within(index, out.size(dim)) {
            return code::INDEX_OUT_OF_RANGE;
        }
        let store: fn(Row) = match (adds, out.dtype) {
            (true, dtype::F32) => |row| store_row(row, f32::add),
            (true, dtype::F64) => |row| store_row(row, f64::add),
            (true, dtype::I32) => |row| store_row(row, i32::wrapping_add),
            (true, dtype::U8) => |row| store_row(row, u8::wrapping_add),
            (true, dtype::BOOL) => |row| store_row(row, |old: u8, new| old | new),
            (true, _) => {
                add_halves(index, source, out, dim);
                return code::OK;
            }
            (false, _) => match dtype::element_bytes(out.dtype) {
                1 => |row| store_row(row, |_: u8, new| new),
                2 => |row| store_row(row, |_: u16, new| new),
                4 => |row| store_row(row, |_: u32, new| new),
                _ => |row| store_row(row, |_: u64, new| new),
            },
        };
        each_row(index, source, out, dim, store);
    }
    code::OK
}

/// The innermost dim of a call: where it starts in index, source and out, and the steps there; out's along `dim` comes last.
struct Row {
    index: *const i32,
    source: *const u8,
    out: *mut u8,
    at: [usize; 3],
    steps: [usize; 4],
    n: usize,
}

/// # Safety
/// Source and out hold elements like T, and the row's places are theirs.
unsafe fn store_row<T: Copy>(row: Row, store: impl Fn(T, T) -> T) {
    let ([ii, is, io], [si, ss, so, along]) = (row.at, row.steps);
    for i in 0..row.n {
        // SAFETY: as promised by the caller.
        unsafe {
            let place = *row.index.add(ii + i * si) as usize * along;
            let to = row.out.cast::<T>().add(io + i * so + place);
            *to = store(*to, *row.source.cast::<T>().add(is + i * ss));
        }
    }
}

/// Calls `store` for each row; indices are within out's size along `dim`.
fn each_row(index: &Operand, source: &Operand, out: &Operand, dim: usize, store: fn(Row)) {
    let last = index.rank() - 1;
    let n = index.size(last);
    let mut others = out.strides;
    others[dim] = 0;
    let steps = [index.stride(last), source.stride(last), others[last] as usize, out.stride(dim)];
    let starts = [index.offset as usize, source.offset as usize, out.offset as usize];
    let mut walk = Walk::new(&index.shape[..last], [&index.strides, &source.strides, &others], starts, 0);
    for _ in 0..index.numel() / n {
        store(Row { index: index.ptr.cast(), source: source.ptr, out: out.ptr, at: walk.at, steps, n });
        walk.step();
    }
}

/// Widens out and source to f32 in scratch, adds there, and rounds what came of it.
///
/// # Safety
/// Source and out hold f16 or bf16; indices are within out's size along `dim`.
unsafe fn add_halves(index: &Operand, source: &Operand, out: &Operand, dim: usize) {
    // SAFETY: there is room for both operands and a piece; pieces lie within them.
    unsafe {
        let room = scratch((out.numel() + source.numel() + PIECE) * 4).cast::<f32>();
        let wide_out = contiguous(out, room.cast());
        let wide_source = contiguous(source, room.add(out.numel()).cast());
        let spare = room.add(out.numel() + source.numel());
        for (half, wide) in [(out, &wide_out), (source, &wide_source)] {
            pieces([half, wide], 0..half.numel(), PIECE, |piece| {
                let from = load_f32(half.dtype, half.ptr, piece.at[0], half.stride_from_end(0), piece.n, spare);
                store_f32(dtype::F32, from, wide.ptr, piece.at[1], 1, piece.n);
            });
        }
        each_row(index, &wide_source, &wide_out, dim, |row| store_row(row, f32::add));
        pieces([out, &wide_out], 0..out.numel(), PIECE, |piece| {
            let from = wide_out.ptr.cast::<f32>().add(piece.at[1]);
            store_f32(out.dtype, from, out.ptr, piece.at[0], out.stride_from_end(0), piece.n);
        });
    }
}

/// An f32 operand of the same shape without gaps.
fn contiguous(like: &Operand, ptr: *mut u8) -> Operand {
    let mut operand = Operand { ptr, dtype: dtype::F32, offset: 0, packed: 0, ..*like };
    let mut stride = 1;
    for d in (0..like.rank()).rev() {
        operand.strides[d] = stride;
        stride *= like.shape[d];
    }
    operand
}

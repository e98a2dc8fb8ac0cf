//! `out = source`, any view to any view of the same shape, with a cast where dtypes differ (`elements` says how).
//!
//! Elements of one dtype are moved as they are stored; halves from and to f32 are widened and narrowed a row at a time;
//! other casts go through f64, which holds every value of every dtype. A transposed matrix is moved in tiles of 16 by 16,
//! so that cache lines are used up while they are there.
//!
//! Blocks: the order in which elements are copied is free, so the dim along which blocks lie is made the innermost, each
//! stretch of it is decoded once and then put where `out` wants it. An `out` of blocks (q8_0) is written the same way, some
//! whole blocks at a time; blocks that lie alike in both are moved.

use core::ptr::copy_nonoverlapping;

use crate::abi::{code, dtype, operands, Operand};
use crate::blocks::{decode, SPAN, SPAN_ROOM};
use crate::elements::{is_half, is_int, load_f32, load_f64, move_row, store_f32, store_f64, Place, PIECE};
use crate::pool::{parallel_for, scratch};
use crate::quant::{block_bytes, block_size, encode_q8_0};
use crate::walk::{pieces, without, Walk};

/// Elements that outweigh handing a range to another thread.
const GRAIN: usize = 1 << 15;
/// Rows and columns of a tile: as many lines of 64 bytes are in the first cache at once.
const TILE: usize = 16;

/// The export.
///
/// # Safety
/// As `abi` says: source, out of the same shape; no settings.
#[no_mangle]
pub unsafe extern "C" fn copy(records: *const Operand, count: u32, _attrs: *const f64) -> u32 {
    // SAFETY: as promised.
    let [source, out] = (unsafe { operands(records, count) }) else { return code::UNSUPPORTED };
    // SAFETY: the host has checked all bounds.
    unsafe {
        if dtype::is_block(out.dtype) {
            return write_blocks(source, out);
        }
        if dtype::is_block(source.dtype) {
            read_blocks(source, out);
        } else if source.dtype == out.dtype && is_transposed(source, out) {
            move_tiles(source, out);
        } else {
            copy_rows(source, out);
        }
    }
    code::OK
}

/// # Safety
/// Both lie within their buffers, and hold no blocks.
#[optimize(size)]
unsafe fn copy_rows(source: &Operand, out: &Operand) {
    let (sx, so) = (source.stride_from_end(0), out.stride_from_end(0));
    parallel_for(source.numel(), GRAIN, |range| {
        let room = scratch(PIECE * 8).cast::<f64>();
        pieces([source, out], range, PIECE, |piece| {
            let from = Place { ptr: source.ptr, at: piece.at[0], stride: sx };
            let to = Place { ptr: out.ptr, at: piece.at[1], stride: so };
            // SAFETY: `pieces` gives places within both, and at most PIECE elements.
            unsafe { copy_piece(source.dtype, from, out.dtype, to, piece.n, room) };
        });
    });
}

/// # Safety
/// n <= PIECE elements of `from` are readable, of `to` writable; `room` holds PIECE.
#[optimize(size)]
unsafe fn copy_piece(from_dtype: u32, from: Place, to_dtype: u32, to: Place, n: usize, room: *mut f64) {
    // SAFETY: as promised by the caller.
    unsafe {
        let bytes = dtype::element_bytes(to_dtype);
        if from_dtype == to_dtype || (from_dtype == dtype::BOOL && bytes == 1) {
            move_row(bytes, from, to, n);
        } else if is_half(from_dtype) && to_dtype == dtype::F32 && to.stride == 1 {
            load_f32(from_dtype, from.ptr, from.at, from.stride, n, to.ptr.cast::<f32>().add(to.at));
        } else if from_dtype == dtype::F32 && is_half(to_dtype) && from.stride == 1 {
            store_f32(to_dtype, from.ptr.cast::<f32>().add(from.at), to.ptr, to.at, to.stride, n);
        } else {
            let wide = load_f64(from_dtype, from.ptr, from.at, from.stride, n, room);
            store_f64(to_dtype, is_int(from_dtype), wide, to.ptr, to.at, to.stride, n);
        }
    }
}

/// Whether the last two dims lie the other way round in source than in out.
fn is_transposed(source: &Operand, out: &Operand) -> bool {
    source.rank() >= 2
        && out.stride_from_end(0) == 1
        && source.stride_from_end(1) == 1
        && source.stride_from_end(0) > 1
        && source.size_from_end(0).min(source.size_from_end(1)) >= TILE
}

/// # Safety
/// Both lie within their buffers, and hold elements of one dtype, not blocks.
#[optimize(size)]
unsafe fn move_tiles(source: &Operand, out: &Operand) {
    let (rows, columns) = (source.size_from_end(1), source.size_from_end(0));
    let bands = rows.div_ceil(TILE);
    let outer = source.rank() - 2;
    let matrices = source.numel() / (rows * columns);
    let bytes = dtype::element_bytes(out.dtype);
    parallel_for(matrices * bands, GRAIN.div_ceil(TILE * columns), |range| {
        for unit in range {
            let (matrix, row) = (unit / bands, unit % bands * TILE);
            let starts = [source.offset as usize, out.offset as usize];
            let [is, io] = Walk::new(&source.shape[..outer], [&source.strides, &out.strides], starts, matrix).at;
            let height = TILE.min(rows - row);
            for column in (0..columns).step_by(TILE) {
                let width = TILE.min(columns - column);
                for r in row..row + height {
                    let at = is + r + column * source.stride_from_end(0);
                    let from = Place { ptr: source.ptr, at, stride: source.stride_from_end(0) };
                    let at = io + r * out.stride_from_end(1) + column;
                    // SAFETY: row r and columns up to column + width are within both.
                    unsafe { move_row(bytes, from, Place { ptr: out.ptr, at, stride: 1 }, width) };
                }
            }
        }
    });
}

/// # Safety
/// Both lie within their buffers; source holds blocks, out does not.
#[optimize(size)]
unsafe fn read_blocks(source: &Operand, out: &Operand) {
    let inner = (0..source.rank()).min_by_key(|&d| step_of(source, d)).unwrap_or(0);
    let (n, sx, so) = (source.size(inner), source.strides[inner] as usize, out.strides[inner] as usize);
    let sizes = without(&source.shape, inner);
    let strides = [without(&source.strides, inner), without(&out.strides, inner)];
    let longest = (SPAN / sx.max(1)).max(1); // elements whose span is decoded at once
    parallel_for(source.numel() / n, GRAIN.div_ceil(n), |range| {
        let room = scratch(SPAN_ROOM * 4 + PIECE * 8);
        let wide = room.wrapping_add(SPAN_ROOM * 4).cast::<f64>();
        let starts = [source.offset as usize, out.offset as usize];
        let outer = source.rank().saturating_sub(1);
        let mut walk = Walk::new(&sizes[..outer], [&strides[0], &strides[1]], starts, range.start);
        for _ in range {
            for i in (0..n).step_by(longest) {
                let length = longest.min(n - i);
                // SAFETY: the elements are source's and out's; at most SPAN are decoded, PIECE converted.
                unsafe {
                    let row = decode(source, walk.at[0] + i * sx, (length - 1) * sx + 1, room.cast());
                    let from = Place { ptr: row.cast_mut().cast(), at: 0, stride: sx };
                    let to = Place { ptr: out.ptr, at: walk.at[1] + i * so, stride: so };
                    copy_piece(dtype::F32, from, out.dtype, to, length, wide);
                }
            }
            walk.step();
        }
    });
}

/// Dims that repeat elements go outermost, as do those of size 1.
fn step_of(x: &Operand, d: usize) -> usize {
    if x.size(d) == 1 || x.stride(d) == 0 {
        usize::MAX
    } else {
        x.stride(d)
    }
}

/// # Safety
/// Both lie within their buffers; out holds q8_0, or the blocks that source holds, unpacked, and whole ones.
#[optimize(size)]
unsafe fn write_blocks(source: &Operand, out: &Operand) -> u32 {
    let inner = (0..out.rank()).find(|&d| out.stride(d) == 1 && out.size(d) > 1).unwrap_or(0);
    let (n, sx) = (out.size(inner), source.strides[inner] as usize);
    let moves = source.dtype == out.dtype && sx == 1;
    if !moves && out.dtype != dtype::Q8_0 {
        return code::UNSUPPORTED;
    }
    let sizes = without(&out.shape, inner);
    let strides = [without(&source.strides, inner), without(&out.strides, inner)];
    parallel_for(out.numel() / n, GRAIN.div_ceil(n), |range| {
        let starts = [source.offset as usize, out.offset as usize];
        let outer = out.rank().saturating_sub(1);
        let mut walk = Walk::new(&sizes[..outer], [&strides[0], &strides[1]], starts, range.start);
        for _ in range {
            // SAFETY: the walk gives places of rows of n elements in both.
            unsafe {
                if moves {
                    move_blocks(source, out, walk.at, n);
                } else {
                    encode_row(source, sx, out, walk.at, n);
                }
            }
            walk.step();
        }
    });
    code::OK
}

/// # Safety
/// n elements from `at` on are whole blocks of both.
unsafe fn move_blocks(source: &Operand, out: &Operand, at: [usize; 2], n: usize) {
    let (size, bytes) = (block_size(out.dtype), block_bytes(out.dtype));
    // SAFETY: as promised by the caller.
    unsafe {
        copy_nonoverlapping(source.ptr.add(at[0] / size * bytes), out.ptr.add(at[1] / size * bytes), n / size * bytes);
    }
}

/// # Safety
/// n elements `sx` apart from `at` on are source's, and fill whole blocks of out.
#[optimize(size)]
unsafe fn encode_row(source: &Operand, sx: usize, out: &Operand, at: [usize; 2], n: usize) {
    // SAFETY: pieces are whole blocks of the row; what is read, converted and decoded fits.
    unsafe {
        let room = scratch(PIECE * 4 + PIECE * 8 + SPAN_ROOM * 4);
        let numbers = room.cast::<f32>();
        let wide = room.add(PIECE * 4).cast::<f64>();
        for i in (0..n).step_by(PIECE) {
            let length = PIECE.min(n - i);
            let to = Place { ptr: room, at: 0, stride: 1 };
            let start = at[0] + i * sx;
            if dtype::is_block(source.dtype) {
                for j in 0..length {
                    *numbers.add(j) = *decode(source, start + j * sx, 1, room.add(PIECE * 12).cast());
                }
            } else {
                let from = Place { ptr: source.ptr, at: start, stride: sx };
                copy_piece(source.dtype, from, dtype::F32, to, length, wide);
            }
            encode_q8_0(numbers, length / 32, out.ptr.add((at[1] + i) / 32 * block_bytes(dtype::Q8_0)));
        }
    }
}

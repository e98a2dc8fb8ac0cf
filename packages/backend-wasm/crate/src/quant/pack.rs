//! Packing a weight in place, and back.
//!
//! A weight `[N, K]` of q4_0, q4_1, q8_0, q4_k or q6_k has its rows interleaved by eight (`packed.rs` shows the
//! layout): as many bytes, every bit kept, so unpacking gives back what there was. Rows after the last eight stay as
//! they are.
//!
//! Integers move as words, four elements of a row in the bytes of a u32. Where a word's bits lie, in a block or in a
//! packed place of eight, is a list of pieces, so that one loop packs and unpacks every format. It is compiled for each
//! format, which makes the lists constants and the loop four times as fast: SmolLM2 (94 MB) takes 65 to 100 ms on one
//! thread.

use core::ops::Range;
use core::ptr::{copy_nonoverlapping, write_bytes};

use super::packed::ROWS;
use super::{block_bytes, block_size};
use crate::abi::{dtype, Operand};
use crate::half::f16_to_f32;
use crate::pool::{parallel_for, scratch};

/// Bytes of the largest block that can be packed: q6_k's.
pub const MAX_BLOCK_BYTES: usize = 210;

/// What an operand's `packed` says: groups of eight rows in the upper half, blocks a row in the lower; 0 for not
/// packed.
#[derive(Clone, Copy, PartialEq)]
pub struct Geometry {
    /// Groups of eight rows.
    pub groups: usize,
    /// Blocks in a row.
    pub row_blocks: usize,
}

impl Geometry {
    /// Reads `Operand::packed`.
    #[inline]
    pub fn of(packed: u32) -> Geometry {
        Geometry { groups: (packed >> 16) as usize, row_blocks: (packed & 0xffff) as usize }
    }

    /// How many blocks are packed; the rest lie behind them.
    #[inline]
    pub fn blocks(self) -> usize {
        self.groups * ROWS * self.row_blocks
    }

    /// What `Operand::packed` says for it.
    fn code(self) -> u32 {
        (self.groups << 16 | self.row_blocks) as u32
    }

    /// Of a whole weight `[N, K]`; none where there is no packed form.
    fn of_weight(weight: &Operand) -> Option<Geometry> {
        let has_form = matches!(weight.dtype, dtype::Q4_0 | dtype::Q4_1 | dtype::Q8_0 | dtype::Q4_K | dtype::Q6_K);
        if !has_form || weight.rank() != 2 || weight.offset != 0 || weight.stride(0) != weight.size(1) {
            return None;
        }
        let size = block_size(weight.dtype);
        let geometry = Geometry { groups: weight.size(0) / ROWS, row_blocks: weight.size(1) / size };
        let whole = weight.size(1).is_multiple_of(size) && geometry.row_blocks > 0 && geometry.groups > 0;
        (whole && geometry.row_blocks <= 0xffff && geometry.groups <= 0xffff).then_some(geometry)
    }
}

/// Bits of the four elements of a word: `(word at offset >> shift & mask) << up`.
#[derive(Clone, Copy)]
struct Piece {
    offset: usize,
    shift: usize,
    mask: u32,
    up: usize,
}

const NIBBLES: u32 = 0x0f0f_0f0f;
const PAIRS: u32 = 0x0303_0303;
/// A piece that is not there.
const NONE: Piece = Piece { offset: 0, shift: 0, mask: 0, up: 0 };

/// Units of a block, and words of a unit: see `packed.rs`.
const fn words(code: u32) -> (usize, usize) {
    match code {
        dtype::Q4_K => (8, 8),
        dtype::Q6_K => (16, 4),
        _ => (1, 8),
    }
}

/// Where word `i` of unit `u` lies in a block: quant/*.ts.
#[inline(always)]
fn in_block(code: u32, u: usize, i: usize) -> [Piece; 2] {
    let nibbles = |offset, shift| Piece { offset, shift, mask: NIBBLES, up: 0 };
    match code {
        dtype::Q4_0 => [nibbles(2 + 4 * (i & 3), i & 4), NONE],
        dtype::Q4_1 => [nibbles(4 + 4 * (i & 3), i & 4), NONE],
        dtype::Q4_K => [nibbles(16 + (u >> 1) * 32 + 4 * i, (u & 1) * 4), NONE],
        dtype::Q8_0 => [Piece { offset: 2 + 4 * i, shift: 0, mask: !0, up: 0 }, NONE],
        _ => {
            let (half, run, start) = (u >> 3, u >> 1 & 3, (u & 1) * 16 + 4 * i);
            let upper = Piece { offset: 128 + half * 32 + start, shift: run * 2, mask: PAIRS, up: 4 };
            [nibbles(half * 64 + (run & 1) * 32 + start, run >> 1 << 2), upper]
        }
    }
}

/// Where word `i` of unit `u` of row `row` lies in a packed place.
#[inline(always)]
fn in_place(code: u32, u: usize, i: usize, row: usize) -> [Piece; 2] {
    let lane = (row >> 2) * 16 + (row & 3) * 4;
    let nibbles =
        |start: usize| Piece { offset: start + (i >> 1) * 32 + lane, shift: (i & 1) * 4, mask: NIBBLES, up: 0 };
    match code {
        dtype::Q4_0 => [nibbles(16), NONE],
        dtype::Q4_1 => [nibbles(32), NONE],
        dtype::Q4_K => [nibbles(128 + u * 128), NONE],
        dtype::Q8_0 => [Piece { offset: 16 + i * 32 + lane, shift: 0, mask: !0, up: 0 }, NONE],
        _ => [nibbles(144 + u * 64), Piece { offset: 1168 + u * 32 + lane, shift: i * 2, mask: PAIRS, up: 4 }],
    }
}

#[inline(always)]
unsafe fn get(base: *const u8, pieces: [Piece; 2]) -> u32 {
    pieces.iter().fold(0, |word, p| {
        // SAFETY: the offsets are within a block, or a place, which the callers have.
        word | (unsafe { base.add(p.offset).cast::<u32>().read_unaligned() } >> p.shift & p.mask) << p.up
    })
}

/// Adds the bits, which are 0 so far.
#[inline(always)]
unsafe fn put(base: *mut u8, pieces: [Piece; 2], word: u32) {
    for p in pieces {
        // SAFETY: the offsets are within a block, or a place, which the callers have.
        unsafe {
            let at = base.add(p.offset).cast::<u32>();
            at.write_unaligned(at.read_unaligned() | (word >> p.up & p.mask) << p.shift);
        }
    }
}

/// Headers and scales: `(offset in a block, offset in a place, bytes of a unit, units)`.
fn headers(code: u32) -> &'static [(usize, usize, usize, usize)] {
    match code {
        dtype::Q4_1 => &[(0, 0, 2, 2)],
        dtype::Q4_K => &[(0, 0, 2, 2), (4, 32, 1, 12)],
        dtype::Q6_K => &[(208, 0, 2, 1), (192, 16, 1, 16)],
        _ => &[(0, 0, 2, 1)],
    }
}

/// Calls `copy(offset in the block, offset in the place, bytes)` for each header and scale of row `row`.
fn each_header(code: u32, row: usize, mut copy: impl FnMut(usize, usize, usize)) {
    for &(from, to, bytes, count) in headers(code) {
        for unit in 0..count {
            copy(from + unit * bytes, to + (unit * ROWS + row) * bytes, bytes);
        }
    }
}

/// In packed form q8_0's bytes are q + 128.
fn flip(code: u32) -> u32 {
    if code == dtype::Q8_0 {
        0x8080_8080
    } else {
        0
    }
}

/// Adds a block to a place that had zeros in its row.
unsafe fn add_to_place<const CODE: u32>(block: *const u8, place: *mut u8, row: usize) {
    let (units, count) = words(CODE);
    // SAFETY: the tables stay within the block and the place.
    unsafe {
        each_header(CODE, row, |from, to, bytes| copy_nonoverlapping(block.add(from), place.add(to), bytes));
        for u in 0..units {
            for i in 0..count {
                put(place, in_place(CODE, u, i, row), get(block, in_block(CODE, u, i)) ^ flip(CODE));
            }
        }
    }
}

/// Writes the block that row `row` of a place holds.
unsafe fn take_from_place<const CODE: u32>(place: *const u8, row: usize, block: *mut u8) {
    let (units, count) = words(CODE);
    // SAFETY: the tables stay within the block and the place.
    unsafe {
        write_bytes(block, 0, block_bytes(CODE));
        each_header(CODE, row, |from, to, bytes| copy_nonoverlapping(place.add(to), block.add(from), bytes));
        for u in 0..units {
            for i in 0..count {
                put(block, in_block(CODE, u, i), get(place, in_place(CODE, u, i, row)) ^ flip(CODE));
            }
        }
    }
}

type AddToPlace = unsafe fn(*const u8, *mut u8, usize);
type TakeFromPlace = unsafe fn(*const u8, usize, *mut u8);

/// Compiled for each format: with the tables known, a word is a few instructions.
fn functions(code: u32) -> (AddToPlace, TakeFromPlace) {
    match code {
        dtype::Q4_0 => (add_to_place::<{ dtype::Q4_0 }>, take_from_place::<{ dtype::Q4_0 }>),
        dtype::Q4_1 => (add_to_place::<{ dtype::Q4_1 }>, take_from_place::<{ dtype::Q4_1 }>),
        dtype::Q8_0 => (add_to_place::<{ dtype::Q8_0 }>, take_from_place::<{ dtype::Q8_0 }>),
        dtype::Q4_K => (add_to_place::<{ dtype::Q4_K }>, take_from_place::<{ dtype::Q4_K }>),
        _ => (add_to_place::<{ dtype::Q6_K }>, take_from_place::<{ dtype::Q6_K }>),
    }
}

/// Block number `index` of a packed buffer, counted as if it were not, as GGML lays it out.
///
/// # Safety
/// The block is one of the packed ones of the operand's buffer; `out` takes its bytes.
pub unsafe fn read_block(x: &Operand, index: usize, out: *mut u8) {
    let Geometry { row_blocks, .. } = Geometry::of(x.packed);
    let (row, column) = (index / row_blocks, index % row_blocks);
    let place = row / ROWS * row_blocks + column;
    // SAFETY: a place is eight blocks, and there are groups * row_blocks of them.
    unsafe { functions(x.dtype).1(x.ptr.add(place * ROWS * block_bytes(x.dtype)), row % ROWS, out) };
}

struct Buffer(*mut u8);
// SAFETY: ranges of `parallel_for` write groups of their own.
unsafe impl Sync for Buffer {}

/// Rewrites every group of rows: `rewrite(copy of the group, group)`.
unsafe fn each_group(weight: &Operand, geometry: Geometry, rewrite: impl Fn(*const u8, *mut u8) + Sync) {
    let bytes = geometry.row_blocks * ROWS * block_bytes(weight.dtype);
    let buffer = Buffer(weight.ptr);
    let body = |range: Range<usize>| {
        let buffer = &buffer;
        let copy = scratch(bytes);
        for group in range {
            // SAFETY: group < groups, so its bytes are the buffer's; no other range has this group.
            unsafe {
                let start = buffer.0.add(group * bytes);
                copy_nonoverlapping(start, copy, bytes);
                rewrite(copy, start);
            }
        }
    };
    parallel_for(geometry.groups, (1 << 14) / bytes + 1, body); // from 16 kB on a group takes longer than a barrier
}

/// Whether every f16 of a weight's headers is finite: kernels read packed ones without a thought for others.
unsafe fn scales_are_finite(weight: &Operand, blocks: usize) -> bool {
    let (code, bytes) = (weight.dtype, block_bytes(weight.dtype));
    let (from, _, _, count) = headers(code)[0];
    (0..blocks * count).all(|i| {
        // SAFETY: block i / count is one of the weight's; its first header is `count` f16.
        let at = unsafe { weight.ptr.add(i / count * bytes + from + i % count * 2) };
        f16_to_f32(unsafe { at.cast::<u16>().read_unaligned() }).is_finite()
    })
}

/// Packs a whole weight `[N, K]` in place and returns what its operands' `packed` must be from now on; 0, and nothing
/// done, where there is no packed form: another dtype, fewer than eight rows, a view, an infinite scale.
///
/// # Safety
/// The record is valid and covers its buffer, nobody else uses that, and it is not packed yet.
#[no_mangle]
pub unsafe extern "C" fn quant_pack(operand: *const Operand) -> u32 {
    // SAFETY: as promised by the caller; the geometry holds no block that the weight has not.
    unsafe {
        let weight = &*operand;
        let Some(geometry) = Geometry::of_weight(weight) else { return 0 };
        if !scales_are_finite(weight, geometry.blocks()) {
            return 0;
        }
        let (add, _) = functions(weight.dtype);
        let bytes = block_bytes(weight.dtype);
        each_group(weight, geometry, |copy, group| {
            write_bytes(group, 0, geometry.row_blocks * ROWS * bytes);
            for b in 0..geometry.row_blocks {
                for row in 0..ROWS {
                    add(copy.add((row * geometry.row_blocks + b) * bytes), group.add(b * ROWS * bytes), row);
                }
            }
        });
        geometry.code()
    }
}

/// Puts a packed weight `[N, K]` back as GGML lays it out; `packed` is 0 from now on. Does nothing to one that is not
/// packed.
///
/// # Safety
/// The record is valid and covers its buffer, nobody else uses that, and `packed` is what `quant_pack` gave.
#[no_mangle]
pub unsafe extern "C" fn quant_unpack(operand: *const Operand) {
    // SAFETY: as promised by the caller.
    unsafe {
        let weight = &*operand;
        let geometry = Geometry::of(weight.packed);
        let (_, take) = functions(weight.dtype);
        let bytes = block_bytes(weight.dtype);
        each_group(weight, geometry, |copy, group| {
            for b in 0..geometry.row_blocks {
                for row in 0..ROWS {
                    let block = group.add((row * geometry.row_blocks + b) * bytes);
                    take(copy.add(b * ROWS * bytes), row, block);
                }
            }
        });
    }
}

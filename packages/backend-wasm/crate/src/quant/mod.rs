//! Block formats: decoding, quantising, repacking, and what they need in common.
//!
//! A block is 32 or 256 elements: one or two f16 scales and small integers q; an element is `d * q`, or `d * q + m`.
//! The layouts are GGML's (ggml-common.h); packages/core/src/quant is the readable reference, whose values these
//! decoders give bit for bit: the products have at most 24 significant bits, so f32 rounds once, as the reference
//! does.
//!
//! A frozen weight may lie repacked (`pack.rs`): as many bytes, eight rows interleaved. `decode_blocks` reads both.

pub mod activations;
pub mod decode;
pub mod decode_k;
pub mod dot;
pub mod encode;
pub mod pack;
pub mod packed;

pub use crate::kernels::matmul_q::matmul_blocks;
pub use encode::encode_q8_0;

use crate::abi::{dtype, Operand};

/// Elements of a block.
#[inline]
pub fn block_size(code: u32) -> usize {
    match code {
        dtype::Q2_K | dtype::Q3_K | dtype::Q4_K | dtype::Q5_K | dtype::Q6_K | dtype::IQ4_XS => 256,
        _ => 32,
    }
}

/// Bytes of a block.
#[inline]
pub fn block_bytes(code: u32) -> usize {
    const BYTES: [u8; 12] = [18, 20, 22, 24, 34, 84, 110, 144, 176, 210, 18, 136];
    BYTES[(code - dtype::Q4_0) as usize] as usize
}

/// Decodes `blocks` blocks, as GGML lays them out, from number `first_block` after `src` on.
///
/// # Safety
/// `code` is a block dtype; the blocks are readable and `dst` takes all their elements.
pub unsafe fn decode_row(code: u32, src: *const u8, first_block: usize, blocks: usize, dst: *mut f32) {
    // SAFETY: as promised by the caller.
    unsafe {
        match code {
            dtype::Q4_0 => each_block::<18, 32>(src, first_block, blocks, dst, |from, to| decode::q4_0(from, to)),
            dtype::Q4_1 => each_block::<20, 32>(src, first_block, blocks, dst, |from, to| decode::q4_1(from, to)),
            dtype::Q5_0 => each_block::<22, 32>(src, first_block, blocks, dst, |from, to| decode::q5_0(from, to)),
            dtype::Q5_1 => each_block::<24, 32>(src, first_block, blocks, dst, |from, to| decode::q5_1(from, to)),
            dtype::Q8_0 => each_block::<34, 32>(src, first_block, blocks, dst, |from, to| decode::q8_0(from, to)),
            dtype::Q2_K => each_block::<84, 256>(src, first_block, blocks, dst, |from, to| decode_k::q2_k(from, to)),
            dtype::Q3_K => each_block::<110, 256>(src, first_block, blocks, dst, |from, to| decode_k::q3_k(from, to)),
            dtype::Q4_K => each_block::<144, 256>(src, first_block, blocks, dst, |from, to| decode_k::q4_k(from, to)),
            dtype::Q5_K => each_block::<176, 256>(src, first_block, blocks, dst, |from, to| decode_k::q5_k(from, to)),
            dtype::Q6_K => each_block::<210, 256>(src, first_block, blocks, dst, |from, to| decode_k::q6_k(from, to)),
            dtype::IQ4_NL => each_block::<18, 32>(src, first_block, blocks, dst, |from, to| decode::iq4_nl(from, to)),
            _ => each_block::<136, 256>(src, first_block, blocks, dst, |from, to| decode_k::iq4_xs(from, to)),
        }
    }
}

/// Calls `decode(block, elements)` for each block; a loop of its own a format, since a call by pointer hides what it
/// does.
#[inline(always)]
unsafe fn each_block<const BYTES: usize, const SIZE: usize>(
    src: *const u8,
    first_block: usize,
    blocks: usize,
    dst: *mut f32,
    decode: impl Fn(*const u8, *mut f32),
) {
    for b in 0..blocks {
        // SAFETY: block first_block + b is readable, and dst has room for block b, as the callers promise.
        unsafe { decode(src.add((first_block + b) * BYTES), dst.add(b * SIZE)) };
    }
}

/// Decodes `blocks` blocks of an operand's buffer, counted from the buffer's start in row-major order, packed or not.
///
/// # Safety
/// The operand is of a block dtype; the blocks lie in its buffer and `dst` takes all their elements.
pub unsafe fn decode_blocks(x: &Operand, first_block: usize, blocks: usize, dst: *mut f32) {
    let plain_from = pack::Geometry::of(x.packed).blocks();
    let size = block_size(x.dtype);
    let packed_blocks = plain_from.saturating_sub(first_block).min(blocks);
    for b in 0..packed_blocks {
        let mut block = [0u8; pack::MAX_BLOCK_BYTES];
        // SAFETY: first_block + b is below plain_from, so it is a packed block of this buffer; `block` holds any
        // format's.
        unsafe {
            pack::read_block(x, first_block + b, block.as_mut_ptr());
            decode_row(x.dtype, block.as_ptr(), 0, 1, dst.add(b * size));
        }
    }
    // SAFETY: what is left lies behind the packed part, as GGML lays it out.
    unsafe {
        decode_row(x.dtype, x.ptr, first_block + packed_blocks, blocks - packed_blocks, dst.add(packed_blocks * size))
    };
}

//! What crosses the border between the host (TypeScript, src/abi.ts) and the kernels.
//!
//! A kernel is one export, `kernel(operands, count, attrs) -> code`: `operands` points to `count` records, inputs before
//! outputs; `attrs` to its settings as f64, in the order its header says (a seed is two numbers). The host has checked
//! that every element an operand reaches lies in its buffer, and that no operand is empty, before it calls.
//!
//! Names and numbers here are mirrored in src/abi.ts; tests/abi_test.ts compares both.

use wasm_bindgen::prelude::wasm_bindgen;

/// As many dims as an operand can have.
pub const MAX_RANK: usize = 8;

/// One operand: a buffer and where its elements lie in it, counted in elements.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Operand {
    /// Start of the buffer.
    pub ptr: *mut u8,
    /// One of the codes in [`dtype`].
    pub dtype: u32,
    /// How many of `shape` and `strides` count; the rest are 1 and 0.
    pub rank: u32,
    /// Index of the first element.
    pub offset: u32,
    /// 0: as GGML lays it out, or plain elements; else a repacked form, see [`crate::quant`].
    pub packed: u32,
    /// Sizes, outermost first.
    pub shape: [u32; MAX_RANK],
    /// Elements to step along each dim; 0 repeats.
    pub strides: [u32; MAX_RANK],
}

// SAFETY: a record is only read during a call; threads write through `ptr` where no other thread does.
unsafe impl Sync for Operand {}

impl Operand {
    /// The number of dims.
    #[inline]
    pub fn rank(&self) -> usize {
        self.rank as usize
    }

    /// Size of dim `d`.
    #[inline]
    pub fn size(&self, d: usize) -> usize {
        self.shape[d] as usize
    }

    /// Elements to step along dim `d`.
    #[inline]
    pub fn stride(&self, d: usize) -> usize {
        self.strides[d] as usize
    }

    /// Size of the dim that is `from_end` from the last; 1 where there is none.
    #[inline]
    pub fn size_from_end(&self, from_end: usize) -> usize {
        if from_end < self.rank() {
            self.size(self.rank() - 1 - from_end)
        } else {
            1
        }
    }

    /// Stride of the dim that is `from_end` from the last; 0 where there is none.
    #[inline]
    pub fn stride_from_end(&self, from_end: usize) -> usize {
        if from_end < self.rank() {
            self.stride(self.rank() - 1 - from_end)
        } else {
            0
        }
    }

    /// The number of elements.
    #[inline]
    pub fn numel(&self) -> usize {
        self.shape[..self.rank()].iter().map(|&n| n as usize).product()
    }

    /// Where element `offset` lies, for elements of type T.
    ///
    /// # Safety
    /// T is how the operand's dtype is stored (blocks are not: their offset counts elements, not blocks).
    #[inline]
    pub unsafe fn start<T>(&self) -> *mut T {
        // SAFETY: the host has checked that the first element lies in the buffer.
        unsafe { self.ptr.cast::<T>().add(self.offset as usize) }
    }
}

/// The operands of a call.
///
/// # Safety
/// `operands` points to `count` records that nobody writes during the call.
#[inline]
pub unsafe fn operands<'a>(operands: *const Operand, count: u32) -> &'a [Operand] {
    // SAFETY: as promised by the caller.
    unsafe { core::slice::from_raw_parts(operands, count as usize) }
}

/// Setting `i` of a call.
///
/// # Safety
/// The host writes at least `i + 1` settings for this kernel.
#[inline]
pub unsafe fn attr(attrs: *const f64, i: usize) -> f64 {
    // SAFETY: as promised by the caller.
    unsafe { *attrs.add(i) }
}

/// Codes of dtypes.
pub mod dtype {
    pub const F32: u32 = 0;
    pub const F16: u32 = 1;
    pub const BF16: u32 = 2;
    pub const I32: u32 = 3;
    pub const U8: u32 = 4;
    pub const BOOL: u32 = 5;
    pub const F64: u32 = 6;
    pub const Q4_0: u32 = 8;
    pub const Q4_1: u32 = 9;
    pub const Q5_0: u32 = 10;
    pub const Q5_1: u32 = 11;
    pub const Q8_0: u32 = 12;
    pub const Q2_K: u32 = 13;
    pub const Q3_K: u32 = 14;
    pub const Q4_K: u32 = 15;
    pub const Q5_K: u32 = 16;
    pub const Q6_K: u32 = 17;
    pub const IQ4_NL: u32 = 18;
    pub const IQ4_XS: u32 = 19;

    /// Whether elements come in blocks.
    #[inline]
    pub fn is_block(dtype: u32) -> bool {
        dtype >= Q4_0
    }

    /// Bytes of one element that is no block.
    #[inline]
    pub fn element_bytes(dtype: u32) -> usize {
        match dtype {
            F64 => 8,
            F32 | I32 => 4,
            F16 | BF16 => 2,
            _ => 1,
        }
    }
}

/// What a kernel returns.
pub mod code {
    /// The outputs are filled.
    pub const OK: u32 = 0;
    /// An index is out of range: nothing was written, and the host looks for the index to name it.
    pub const INDEX_OUT_OF_RANGE: u32 = 1;
    /// The kernel does not take these dtypes or settings; the host should not have called.
    pub const UNSUPPORTED: u32 = 2;
    /// No memory for scratch; comes with a trap.
    pub const OUT_OF_MEMORY: u32 = 3;
    /// A worker trapped.
    pub const WORKER_FAILED: u32 = 4;
    /// A worker took work and did not finish it.
    pub const WORKER_LOST: u32 = 5;
}

/// Bumped when a record, a code, an export or a packed form changes; the host refuses another one.
#[wasm_bindgen] // one export must be wasm-bindgen's: its tool, which wasm-pack runs, fails on a module with none
pub fn abi_version() -> u32 {
    1
}

/// Bytes of an [`Operand`] record, for the host's check.
#[no_mangle]
pub extern "C" fn operand_bytes() -> u32 {
    size_of::<Operand>() as u32
}

//! The kernels of Heed's WebAssembly backend: one crate, two builds from the same sources.
//!
//! - `plain`: `+simd128`, memory of its own; runs anywhere
//! - `threads`: `+simd128,+relaxed-simd,+atomics,+bulk-memory,+mutable-globals`, memory shared with its workers
//!
//! `abi` says what crosses to the host, `pool` splits work over threads, `simd` is the one place that knows of relaxed
//! SIMD, `kernels` holds one export a file, `quant` the block formats. Kernels allocate nothing: the host makes outputs,
//! and `pool::scratch` is what a thread may scribble on.

#![feature(optimize_attribute)]
#![cfg_attr(target_feature = "atomics", feature(stdarch_wasm_atomic_wait))]
#![deny(unsafe_op_in_unsafe_fn)]

pub mod abi;
pub mod blocks;
pub mod elements;
pub mod exp;
pub mod functions;
pub mod half;
mod heap;
pub mod indices;
pub mod kernels;
pub mod pool;
pub mod quant;
pub mod simd;
pub mod walk;

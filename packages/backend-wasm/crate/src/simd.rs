//! The one place that knows whether there is relaxed SIMD.

use core::arch::wasm32::*;

/// `a * b + c`, rounded once where the build has relaxed SIMD and the machine a fused multiply-add.
#[inline(always)]
pub fn madd(a: v128, b: v128, c: v128) -> v128 {
    #[cfg(target_feature = "relaxed-simd")]
    {
        f32x4_relaxed_madd(a, b, c)
    }
    #[cfg(not(target_feature = "relaxed-simd"))]
    {
        f32x4_add(f32x4_mul(a, b), c)
    }
}

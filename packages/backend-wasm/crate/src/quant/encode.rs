//! f32 to q8_0: `d = max |x| / 127`, `q = round(x / d)`; the bytes are ggml's (quantize_row_q8_0_ref).

use crate::half::f32_to_f16;

/// Quantises `blocks` blocks of 32 elements; `out` gets 34 bytes for each: d as f16, then q.
///
/// # Safety
/// `src` has `32 * blocks` readable elements and `out` `34 * blocks` writable bytes.
pub unsafe fn encode_q8_0(src: *const f32, blocks: usize, out: *mut u8) {
    for b in 0..blocks {
        // SAFETY: b < blocks.
        unsafe { encode_block(&*src.add(b * 32).cast::<[f32; 32]>(), &mut *out.add(b * 34).cast::<[u8; 34]>()) };
    }
}

fn encode_block(x: &[f32; 32], out: &mut [u8; 34]) {
    let farthest = x.iter().fold(0.0f32, |most, v| if v.is_nan() || v.abs() > most { v.abs() } else { most });
    let d = farthest / 127.0;
    let scale = if d == 0.0 { 0.0 } else { 1.0 / d };
    out[..2].copy_from_slice(&f32_to_f16(d).to_le_bytes());
    for (q, value) in out[2..].iter_mut().zip(x) {
        let scaled = (value * scale).round(); // ties away from zero, as C's roundf
        *q = if scaled.is_finite() { scaled as i32 as u8 } else { 0 };
    }
}

//! Uniform f32 in [0, 1): element i is the top 24 bits of the first word of Threefry-2x32(seed, c), over 2^24, with the
//! counter `c = start + floor(i / run) * step + i % run`, low word first. Settings: the seed's two words, start, run, step.
//! Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3" (2011).

use crate::abi::{attr, code, operands, Operand};
use crate::pool::parallel_for;

const ROTATIONS: [u32; 8] = [13, 15, 26, 6, 17, 29, 16, 24];
const PARITY: u32 = 0x1bd1_1bda;
/// Elements that outweigh handing a range to another thread.
const GRAIN: usize = 1 << 13;

/// The first of two random words, for a key and a counter.
#[inline]
pub fn threefry2x32(key: [u32; 2], counter: [u32; 2]) -> u32 {
    let keys = [key[0], key[1], PARITY ^ key[0] ^ key[1]];
    let mut x0 = counter[0].wrapping_add(key[0]);
    let mut x1 = counter[1].wrapping_add(key[1]);
    for round in 0..20 {
        x0 = x0.wrapping_add(x1);
        x1 = x1.rotate_left(ROTATIONS[round % 8]) ^ x0;
        if round % 4 == 3 {
            let injection = (round + 1) / 4;
            x0 = x0.wrapping_add(keys[injection % 3]);
            x1 = x1.wrapping_add(keys[(injection + 1) % 3]).wrapping_add(injection as u32);
        }
    }
    x0
}

/// The export.
///
/// # Safety
/// As `abi` says: one contiguous f32 output, five settings.
#[no_mangle]
pub unsafe extern "C" fn random(records: *const Operand, count: u32, attrs: *const f64) -> u32 {
    // SAFETY: as promised.
    let [out] = (unsafe { operands(records, count) }) else { return code::UNSUPPORTED };
    // SAFETY: as promised.
    let key = unsafe { [attr(attrs, 0) as u32, attr(attrs, 1) as u32] };
    // SAFETY: as promised.
    let [start, run, step] = unsafe { [2, 3, 4].map(|i| attr(attrs, i) as u64) };
    let to = out.ptr as usize;
    parallel_for(out.numel(), GRAIN, |range| {
        for i in range {
            let counter = start + i as u64 / run * step + i as u64 % run;
            let draw = threefry2x32(key, [counter as u32, (counter >> 32) as u32]) >> 8;
            // SAFETY: i is below out's numel.
            unsafe { *(to as *mut f32).add(i) = draw as f32 / 16_777_216.0 };
        }
    });
    code::OK
}

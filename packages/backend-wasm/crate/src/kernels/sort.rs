//! Values and their i32 places, sorted along a dim: stable, NaN largest; settings: the dim, 1 for descending.
//!
//! Numbers become unsigned keys of the same order (the bits of an f64, negative ones turned over, -0 as 0, every NaN as the
//! largest), which are complemented for descending. Lines of up to 64 are sorted by insertion, longer ones by radix, eight
//! bits at a time, both stable; digits that all keys share are passed over, so an f32 takes five passes, and not eight.

use crate::abi::{attr, code, dtype, operands, Operand};
use crate::elements::{load_f64, move_row, Place, PIECE};
use crate::pool::{parallel_for, scratch};
use crate::walk::{without, Walk};

/// Elements that outweigh handing a range to another thread.
const GRAIN: usize = 1 << 11;
/// Below this, insertion is faster than counting 8 times 256 digits.
const SHORT: usize = 64;

#[derive(Clone, Copy)]
struct Entry {
    key: u64,
    place: u32,
}

/// The export.
///
/// # Safety
/// As `abi` says: x, values of its dtype, places in i32; two settings.
#[no_mangle]
pub unsafe extern "C" fn sort(records: *const Operand, count: u32, attrs: *const f64) -> u32 {
    // SAFETY: as promised.
    let [x, values, places] = (unsafe { operands(records, count) }) else { return code::UNSUPPORTED };
    // SAFETY: as promised.
    let (dim, descending) = unsafe { (attr(attrs, 0) as usize, attr(attrs, 1) != 0.0) };
    let n = x.size(dim);
    let sizes = without(&x.shape, dim);
    let strides = [x, values, places].map(|operand| without(&operand.strides, dim));
    parallel_for(x.numel() / n, GRAIN.div_ceil(n), |range| {
        let starts = [x, values, places].map(|operand| operand.offset as usize);
        let strides = [&strides[0][..], &strides[1], &strides[2]];
        let mut walk = Walk::new(&sizes[..x.rank() - 1], strides, starts, range.start);
        for _ in range {
            // SAFETY: the walk gives places of lines within the operands.
            unsafe { sort_line([x, values, places], dim, descending, walk.at) };
            walk.step();
        }
    });
    code::OK
}

/// # Safety
/// `at` are starts of lines along `dim`.
unsafe fn sort_line([x, values, places]: [&Operand; 3], dim: usize, descending: bool, at: [usize; 3]) {
    let n = x.size(dim);
    let bytes = dtype::element_bytes(x.dtype);
    // SAFETY: two lists of n entries and PIECE numbers fit; all places are within the lines.
    unsafe {
        let room = scratch(2 * n * size_of::<Entry>() + PIECE * 8);
        let numbers = room.add(2 * n * size_of::<Entry>());
        let entries = core::slice::from_raw_parts_mut(room.cast::<Entry>(), n);
        let spare = core::slice::from_raw_parts_mut(room.cast::<Entry>().add(n), n);
        read_entries(x, dim, at[0], descending, entries, numbers.cast());
        let sorted = if n <= SHORT { sort_by_insertion(entries) } else { sort_by_radix(entries, spare) };
        for (i, entry) in sorted.iter().enumerate() {
            let place = entry.place as usize;
            let from = Place { ptr: x.ptr, at: at[0] + place * x.stride(dim), stride: 1 };
            let to = Place { ptr: values.ptr, at: at[1] + i * values.stride(dim), stride: 1 };
            move_row(bytes, from, to, 1);
            *places.ptr.cast::<i32>().add(at[2] + i * places.stride(dim)) = place as i32;
        }
    }
}

/// # Safety
/// The line that starts at `at` is x's, `numbers` holds PIECE.
unsafe fn read_entries(x: &Operand, dim: usize, at: usize, descending: bool, entries: &mut [Entry], numbers: *mut f64) {
    let turn = if descending { u64::MAX } else { 0 };
    for (p, piece) in entries.chunks_mut(PIECE).enumerate() {
        let start = p * PIECE;
        // SAFETY: the piece lies in the line.
        let from = unsafe { load_f64(x.dtype, x.ptr, at + start * x.stride(dim), x.stride(dim), piece.len(), numbers) };
        for (i, entry) in piece.iter_mut().enumerate() {
            // SAFETY: i is below the piece's length.
            let key = key_of(unsafe { *from.add(i) }) ^ turn;
            *entry = Entry { key, place: (start + i) as u32 };
        }
    }
}

fn key_of(number: f64) -> u64 {
    if number.is_nan() {
        return u64::MAX;
    }
    let bits = (number + 0.0).to_bits(); // -0 + 0 is 0
    if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    }
}

fn sort_by_insertion(entries: &mut [Entry]) -> &[Entry] {
    for i in 1..entries.len() {
        let entry = entries[i];
        let mut to = i;
        while to > 0 && entries[to - 1].key > entry.key {
            entries[to] = entries[to - 1];
            to -= 1;
        }
        entries[to] = entry;
    }
    entries
}

fn sort_by_radix<'a>(mut from: &'a mut [Entry], mut to: &'a mut [Entry]) -> &'a [Entry] {
    for shift in (0..64).step_by(8) {
        let digit = |entry: &Entry| (entry.key >> shift & 0xff) as usize;
        let mut ends = [0u32; 256];
        for entry in from.iter() {
            ends[digit(entry)] += 1;
        }
        if ends[digit(&from[0])] as usize == from.len() {
            continue;
        }
        let mut sum = 0;
        for end in ends.iter_mut() {
            sum += core::mem::replace(end, sum);
        }
        for entry in from.iter() {
            let next = &mut ends[digit(entry)];
            to[*next as usize] = *entry;
            *next += 1;
        }
        (from, to) = (to, from);
    }
    from
}

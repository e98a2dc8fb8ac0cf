//! One attention call: its operands by name, its settings, and which keys a row may see by where they stand.
//!
//! Key s of batch row b exists when `s < keyLengths[b]`; the query at time t, whose position is `p = t + offset`, sees it when
//!
//!     position(s) <= p + right   and   (position(s) >= p - left   or   position(s) < sinkTokens)
//!
//! The rows of a key/value head are counted time by time, all heads of the group at one time together: row r is that of
//! head `r % G` at time `r / G`. So neighbours in a panel are of nearly one time, and see nearly the same keys.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::abi::{attr, code, dtype, Operand};
use crate::elements::load_f64;
use crate::quant::{block_size, decode_blocks};

/// Inputs before the extras.
const OPERANDS: usize = 3;
/// How many kinds of extras there are, in the order of `AttentionExtra`.
const EXTRAS: usize = 8;

/// Weights dropped with probability `p`.
pub struct Dropout {
    pub p: f64,
    pub seed: [u32; 2],
}

/// Part of a block of keys, from `from` to `to`.
#[derive(Clone, Copy)]
pub struct Span {
    pub from: usize,
    pub to: usize,
    /// Whether every row sees all of it, as far as positions go.
    pub whole: bool,
}

/// Operands and settings; sizes by their letters.
pub struct Call<'a> {
    pub query: &'a Operand,
    pub key: &'a Operand,
    pub value: &'a Operand,
    pub mask: Option<&'a Operand>,
    pub alibi_slopes: Option<&'a Operand>,
    pub sinks: Option<&'a Operand>,
    pub key_lengths: Option<&'a Operand>,
    pub key_positions: Option<&'a Operand>,
    pub page_table: Option<&'a Operand>,
    pub block_kinds: Option<&'a Operand>,
    pub block_table: Option<&'a Operand>,
    pub out: &'a Operand,
    pub log_sum_exp: Option<&'a Operand>,
    pub batches: usize,
    /// Key/value heads.
    pub heads: usize,
    /// Query heads of one key/value head.
    pub groups: usize,
    pub times: usize,
    pub keys: usize,
    pub size: usize,
    pub value_size: usize,
    pub scale: f64,
    pub softcap: f64,
    offset: f64,
    offset_from_lengths: bool,
    left: f64,
    right: f64,
    sink_tokens: f64,
    pub dropout: Option<Dropout>,
    /// Whether an entry of the page table is out of range.
    pub fault: AtomicBool,
}

impl<'a> Call<'a> {
    /// Names operands and settings.
    ///
    /// # Safety
    /// `operands` and `attrs` are as the export's header says.
    pub unsafe fn new(operands: &'a [Operand], attrs: *const f64) -> Self {
        // SAFETY: the host writes 13 settings.
        let set = |i| unsafe { attr(attrs, i) };
        let mut rest = operands[OPERANDS..].iter();
        let present = set(0) as u32;
        let extras: [Option<&Operand>; EXTRAS] =
            core::array::from_fn(|i| if present >> i & 1 == 1 { rest.next() } else { None });
        let [mask, alibi_slopes, sinks, key_lengths, key_positions, page_table, block_kinds, block_table] = extras;
        let [query, key, value] = [&operands[0], &operands[1], &operands[2]];
        let out = &operands[operands.len() - set(1) as usize];
        let p = set(10);
        Call {
            query,
            key,
            value,
            mask,
            alibi_slopes,
            sinks,
            key_lengths,
            key_positions,
            page_table,
            block_kinds,
            block_table,
            out,
            log_sum_exp: if set(1) == 2.0 { operands.last() } else { None },
            batches: query.size(0),
            heads: query.size(1),
            groups: query.size(2),
            times: query.size(3),
            keys: set(2) as usize,
            size: query.size(4),
            value_size: value.size(3),
            scale: set(3),
            softcap: set(4),
            offset: set(5),
            offset_from_lengths: set(6) != 0.0,
            left: set(7),
            right: set(8),
            sink_tokens: set(9),
            dropout: if p > 0.0 { Some(Dropout { p, seed: [set(11) as u32, set(12) as u32] }) } else { None },
            fault: AtomicBool::new(false),
        }
    }

    /// Rows of one key/value head.
    pub fn rows(&self) -> usize {
        self.times * self.groups
    }

    /// Where row r of a head stands among all rows of the outputs.
    pub fn out_row(&self, batch: usize, head: usize, r: usize) -> usize {
        ((batch * self.heads + head) * self.groups + r % self.groups) * self.times + r / self.groups
    }

    /// How many keys a batch row has: its length, where that is at least 0 and at most S.
    pub fn key_count(&self, batch: usize) -> usize {
        (self.length(batch).max(0.0) as usize).min(self.keys)
    }

    fn length(&self, batch: usize) -> f64 {
        match self.key_lengths {
            None => self.keys as f64,
            // SAFETY: lengths are `[B]`.
            Some(x) => unsafe { element(x, batch * x.stride(0)) },
        }
    }

    /// The position of a batch row's query at time t.
    pub fn query_position(&self, batch: usize, t: usize) -> f64 {
        let offset = if self.offset_from_lengths { self.length(batch) - self.times as f64 } else { self.offset };
        t as f64 + offset
    }

    /// The position of key s.
    pub fn key_position(&self, s: usize) -> f64 {
        match self.key_positions {
            None => s as f64,
            // SAFETY: positions are `[S]`.
            Some(x) => unsafe { element(x, s * x.stride(0)) },
        }
    }

    /// The first and the last position that the query at time t sees, sink tokens aside; sink tokens.
    pub fn bounds(&self, batch: usize, t: usize) -> [f64; 3] {
        let p = self.query_position(batch, t);
        [p - self.left, p + self.right, self.sink_tokens]
    }

    /// Whether the query at time t sees a key at this position.
    pub fn sees(&self, batch: usize, t: usize, position: f64) -> bool {
        let [from, to, sinks] = self.bounds(batch, t);
        position <= to && (position >= from || position < sinks)
    }

    /// Cuts the keys from `first` to `end` to what rows at times `times` (the first, the last) may see. Where positions
    /// are given, a span is left out or taken whole, and single keys are hidden later.
    pub fn span(&self, batch: usize, times: [usize; 2], first: usize, end: usize) -> Option<Span> {
        let [from, _, sinks] = self.bounds(batch, times[0]);
        let [_, to, _] = self.bounds(batch, times[1]);
        let mut cut = (first, end);
        let [mut low, mut high] = [f64::INFINITY, f64::NEG_INFINITY];
        if self.key_positions.is_some() {
            for s in first..end {
                let position = self.key_position(s);
                [low, high] = [low.min(position), high.max(position)];
            }
        } else {
            cut.1 = (end as f64).min(to + 1.0).max(0.0) as usize;
            if first as f64 >= sinks {
                cut.0 = from.max(first as f64) as usize;
            }
            [low, high] = [cut.0 as f64, cut.1 as f64 - 1.0];
        }
        if cut.0 >= cut.1 || low > to || (high < from && low >= sinks) {
            return None;
        }
        let [last_from, ..] = self.bounds(batch, times[1]);
        let [_, first_to, _] = self.bounds(batch, times[0]);
        Some(Span { from: cut.0, to: cut.1, whole: high <= first_to && (low >= last_from || high < sinks) })
    }

    /// What the export returns.
    pub fn code(&self) -> u32 {
        if self.fault.load(Relaxed) {
            code::INDEX_OUT_OF_RANGE
        } else {
            code::OK
        }
    }
}

/// The element of x that is `at` after its first, as a number.
///
/// # Safety
/// It lies in x's buffer.
#[inline(never)] // one copy for all that look up single numbers
pub unsafe fn element(x: &Operand, at: usize) -> f64 {
    let at = x.offset as usize + at;
    // SAFETY: as promised; no block is longer than the room for it.
    unsafe {
        if dtype::is_block(x.dtype) {
            let size = block_size(x.dtype);
            let mut block = [0.0f32; 256];
            decode_blocks(x, at / size, 1, block.as_mut_ptr());
            return f64::from(block[at % size]);
        }
        let mut room = 0.0;
        *load_f64(x.dtype, x.ptr, at, 1, 1, &mut room)
    }
}

/// Element `[h, g]` of sinks or slopes.
pub fn per_head(x: &Operand, head: usize, group: usize) -> f64 {
    // SAFETY: they are `[Hkv, G]`.
    unsafe { element(x, head * x.stride(0) + group * x.stride(1)) }
}

/// Strides of an operand that is broadcast: 0 along dims of size 1.
pub fn broadcast_strides(x: &Operand) -> [usize; 5] {
    core::array::from_fn(|d| if x.size(d) == 1 { 0 } else { x.stride(d) })
}

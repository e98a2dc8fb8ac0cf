//! `softmax(q · k * scale, …) · v` by an online softmax: query `[B, Hkv, G, T, D]`, key `[B, Hkv, S, D]`, value
//! `[B, Hkv, S, Dv]` to `[B, Hkv, G, T, Dv]` and logSumExp `[B, Hkv, G, T]`; `AttentionAttrs` of core says what the settings
//! mean. Sums are f32.
//!
//! Operands: query, key, value, the extras there are, output, and logSumExp or not. Settings: which extras (bit i is the
//! i-th name of `AttentionExtra`), outputs, S, scale, softcap, offset, whether the offset counts from keyLengths, left,
//! right, sinkTokens, dropout's p (0 for none), two words of its seed.
//!
//! A tile is up to TILE_ROWS rows of one key/value head, all heads of the group at one time being neighbours. It runs over
//! the keys in blocks, which are found in their pages, decoded and packed once for the tile; each panel of eight rows then
//! takes what it may see of the block. With few rows (decoding) the keys are split, and the states of the parts are merged.
//! Parts do not depend on the number of threads, so nor do results.
//!
//! - attention_call.rs names operands, and says who sees whom; attention_masks.rs hides and adds
//! - attention_lines.rs reads keys and values, attention_products.rs multiplies, attention_tile.rs is the softmax
//! - attention_plain.rs is the reference, and takes f64
//!
//! Measured on one thread beside a loop of multiply-adds (42 GFLOP/s) and one that reads keys and values, best of many short
//! runs on a busy two-core machine; G = 3, D = 64 unless said:
//!
//!     prefill 512 and 1,024, causal     58 and 64 GFLOP/s as peers count (the full square): 0.69 and 0.78 of the limit
//!
//! Decoding, as share of the smaller limit, medians of 15 in turns, two runs; before keys and values were read in far-apart
//! runs and longer blocks, 0.44 to 0.53:
//!
//!     512, 1,024 and 4,096 keys         0.55 to 0.57, 0.54 to 0.58, 0.61 to 0.73
//!     8 times 4 heads of 128            0.58 to 0.59, 0.59 to 0.71, 0.74 to 0.86
//!
//! A tile spends 0.79 of its time in products, 0.11 in the softmax. Where keys and values are in the L2 cache, decoding takes
//! about the sum of its multiply-adds' time and its reads', as few sums leave little to overlap.
//!
//! Source: Dao et al., "FlashAttention" (2022), algorithm 1; Dao, "FlashAttention-2" (2023), section 3.1; Dao et al.,
//! "Flash-Decoding" (2023).

use core::ops::Range;

use super::attention_call::{per_head, Call, Span};
use super::attention_lines::{lie_in_runs, load_lines, read_row, Lines};
use super::attention_masks::{adjust, drop_weights, is_hidden_by_blocks, Rows, Scores};
use super::attention_plain;
use super::attention_products::{pack, NARROW, WIDE};
use super::attention_tile::{are_finite, State, Tile, BLOCK, LONG_BLOCK};
use crate::abi::{dtype, operands, Operand};
use crate::elements::store_f32;
use crate::pool::{parallel_for, scratch};

/// Rows of a tile, which pay together for packing a block; half as many of large heads.
const TILE_ROWS: usize = 96;
const LARGE: usize = 256;
/// With up to so many rows a head, keys are split into parts of at least so many, and no more parts than that.
const FEW_ROWS: usize = 16;
const PART_KEYS: usize = 256;
const MOST_PARTS: usize = 64;
/// Multiply-adds that outweigh handing a range to another thread, a few microseconds.
const GRAIN: usize = 100_000;

/// The export.
///
/// # Safety
/// Operands and settings are as the header says.
#[no_mangle]
pub unsafe extern "C" fn attention(operands_at: *const Operand, count: u32, attrs: *const f64) -> u32 {
    // SAFETY: as promised.
    let call = unsafe { Call::new(operands(operands_at, count), attrs) };
    if [call.query, call.key, call.value].iter().any(|x| x.dtype == dtype::F64) {
        attention_plain::run(&call);
    } else {
        Plan::new(&call).run();
    }
    call.code()
}

/// How a call is cut into units: parts of the keys of tiles of heads, the last tile first, as causal ones get longer.
struct Plan<'a> {
    call: &'a Call<'a>,
    lanes: usize,
    tile_rows: usize,
    tiles: usize,
    parts: usize,
    part_keys: usize,
    size: usize,
    value_size: usize,
}

impl<'a> Plan<'a> {
    fn new(call: &'a Call<'a>) -> Self {
        let rows = call.rows();
        let most = if call.size.max(call.value_size) > LARGE { TILE_ROWS / 2 } else { TILE_ROWS };
        let part_keys = match rows <= FEW_ROWS {
            true => call.keys.div_ceil(MOST_PARTS).next_multiple_of(LONG_BLOCK).max(PART_KEYS),
            false => call.keys,
        };
        Plan {
            call,
            lanes: if rows <= NARROW { NARROW } else { WIDE },
            tile_rows: rows.min(most),
            tiles: rows.div_ceil(most),
            parts: call.keys.div_ceil(part_keys),
            part_keys,
            size: call.size.next_multiple_of(4),
            value_size: call.value_size.next_multiple_of(8),
        }
    }

    fn run(&self) {
        let work = self.tile_rows * self.part_keys * (self.size + self.value_size);
        let grain = GRAIN.div_ceil(work);
        let tiles = self.tiles * self.call.batches * self.call.heads;
        if self.parts == 1 {
            return parallel_for(tiles, grain, |range| self.run_units(range, core::ptr::null_mut()));
        }
        // the states of all parts lie before the tile in this thread's scratch, which is as large in every range
        let states = self.scratch() as usize;
        parallel_for(tiles * self.parts, grain, |range| self.run_units(range, states as *mut f32));
        for unit in 0..tiles {
            // SAFETY: the parts of the unit are done.
            unsafe { self.merge(unit, states as *mut f32) };
        }
    }

    fn state_rows(&self) -> usize {
        self.tile_rows.next_multiple_of(self.lanes)
    }

    fn state_len(&self) -> usize {
        State::len(self.state_rows(), self.value_size)
    }

    fn states_len(&self) -> usize {
        match self.parts {
            1 => 0,
            parts => {
                (self.tiles * self.call.batches * self.call.heads * parts * self.state_len()).next_multiple_of(WIDE)
            }
        }
    }

    fn scratch(&self) -> *mut f32 {
        scratch(4 * (self.states_len() + Tile::len(self.state_rows(), self.size, self.value_size))).cast()
    }

    /// Batch row, head and first row of a tile.
    fn place(&self, unit: usize) -> [usize; 3] {
        let heads = self.call.batches * self.call.heads;
        let tile = self.tiles - 1 - unit / heads;
        [unit % heads / self.call.heads, unit % self.call.heads, tile * self.tile_rows]
    }

    fn run_units(&self, range: Range<usize>, states: *mut f32) {
        let scratch = self.scratch();
        for unit in range {
            let [batch, head, first] = self.place(unit / self.parts);
            let count = self.tile_rows.min(self.call.rows() - first);
            let part = unit % self.parts;
            // SAFETY: scratch has room for states and a tile; a unit writes its own state, or its own rows.
            unsafe {
                let at = scratch.add(self.states_len());
                let tile = Tile::new(at, count, self.lanes, self.size, self.value_size);
                let rows = Rows { batch, head, first, count, lanes: self.lanes };
                let visit = Visit { call: self.call, tile: &tile, rows };
                let end = self.call.key_count(batch).min((part + 1) * self.part_keys);
                visit.attend(part * self.part_keys, end, part == 0);
                if self.parts == 1 {
                    visit.finish(tile.state);
                } else {
                    let to = states.add(unit * self.state_len());
                    to.copy_from_nonoverlapping(
                        tile.state.largest,
                        State::len(self.lanes * tile.panels(), self.value_size),
                    );
                }
            }
        }
    }

    /// Merges the states of a tile's parts into the first one's, and writes the rows.
    unsafe fn merge(&self, unit: usize, states: *mut f32) {
        let [batch, head, first] = self.place(unit);
        let (call, n) = (self.call, self.state_rows());
        // SAFETY: with parts there is one tile a head, so all states are of n rows.
        unsafe {
            let state = |part| State::at(states.add((unit * self.parts + part) * self.state_len()), n);
            let all = state(0);
            for r in 0..call.rows() {
                let largest = (0..self.parts).map(|part| *state(part).largest.add(r)).fold(f32::NEG_INFINITY, f32::max);
                for part in 0..self.parts {
                    all.take(state(part), r, largest, self.value_size);
                }
                *all.largest.add(r) = largest;
            }
            let tile =
                Tile::new(self.scratch().add(self.states_len()), call.rows(), self.lanes, self.size, self.value_size);
            Visit { call, tile: &tile, rows: Rows { batch, head, first, count: call.rows(), lanes: self.lanes } }
                .finish(all);
        }
    }
}

/// One tile and where it stands.
struct Visit<'a> {
    call: &'a Call<'a>,
    tile: &'a Tile,
    rows: Rows,
}

impl Visit<'_> {
    /// Takes the keys from `start` to `end`; `with_sinks` where these logits are this part's to count.
    unsafe fn attend(&self, start: usize, end: usize, with_sinks: bool) {
        // SAFETY: the tile is this thread's.
        unsafe {
            self.begin(with_sinks);
            let block = self.block();
            for s in (start..end).step_by(block) {
                let span = self.call.span(self.rows.batch, self.rows.times(self.call), s, end.min(s + block));
                let Some(span) = span else { continue };
                if !is_hidden_by_blocks(self.call, self.rows, span) && self.take(span).is_none() {
                    return; // a page is out of range; the call will say so
                }
            }
        }
    }

    /// Keys of a block: parts start, and runs lie, at multiples of it.
    fn block(&self) -> usize {
        let (call, tile) = (self.call, self.tile);
        let long = tile.lanes == NARROW
            && lie_in_runs(call, call.key, LONG_BLOCK, tile.size)
            && lie_in_runs(call, call.value, LONG_BLOCK, tile.value_size);
        if long {
            LONG_BLOCK
        } else {
            BLOCK
        }
    }

    unsafe fn begin(&self, with_sinks: bool) {
        let (call, tile) = (self.call, self.tile);
        let lanes = tile.panels() * tile.lanes;
        // SAFETY: lanes and their sums are the tile's.
        unsafe {
            tile.state.sums.write_bytes(0, lanes * tile.value_size);
            for r in 0..lanes {
                let group = (self.rows.first + r.min(tile.rows - 1)) % call.groups;
                let sink = match call.sinks {
                    Some(sinks) if with_sinks => per_head(sinks, self.rows.head, group) as f32,
                    _ => f32::NEG_INFINITY,
                };
                *tile.state.largest.add(r) = sink * core::f32::consts::LOG2_E;
                *tile.state.totals.add(r) = if sink == f32::NEG_INFINITY { 0.0 } else { 1.0 + 0.0 * sink };
                // 1, or NaN
            }
            self.load_queries();
        }
    }

    /// Reads queries, four at a time, and multiplies them by the scale.
    unsafe fn load_queries(&self) {
        let (call, tile, x) = (self.call, self.tile, self.call.query);
        let n = tile.size;
        let factor = match call.softcap {
            0.0 => call.scale * core::f64::consts::LOG2_E,
            cap => call.scale / cap,
        } as f32;
        let wide = tile.lanes == WIDE;
        // SAFETY: the room of keys has space for four queries, and there are none beyond the last row.
        unsafe {
            for four in (0..tile.panels() * tile.lanes).step_by(4) {
                let room = if wide { tile.key_room } else { tile.queries };
                for i in 0..4 {
                    let r = self.rows.first + four + i;
                    let (t, g) = (r / call.groups, r % call.groups);
                    let at = self.rows.batch * x.stride(0)
                        + self.rows.head * x.stride(1)
                        + g * x.stride(2)
                        + t * x.stride(3);
                    let size = if four + i < tile.rows { call.size } else { 0 };
                    read_row(x, at, x.stride(4), size, n, room.add(i * n));
                }
                for i in 0..4 * n {
                    *room.add(i) *= factor;
                }
                if wide {
                    let to = tile.queries.add(four / WIDE * WIDE * n + four % WIDE);
                    pack([0, 1, 2, 3].map(|i| room.add(i * n).cast_const()), n, to, WIDE);
                }
            }
        }
    }

    /// Takes a span of keys into the tile; nothing if they cannot be found.
    unsafe fn take(&self, span: Span) -> Option<()> {
        let (call, tile, Rows { batch, head, .. }) = (self.call, self.tile, self.rows);
        let run = [span.from, span.to - span.from];
        // SAFETY: a span is at most a block, for which the tile has room.
        unsafe {
            let keys = load_lines(call, call.key, [batch, head], run, tile.size, tile.key_room)?;
            let values = load_lines(call, call.value, [batch, head], run, tile.value_size, tile.value_room)?;
            if tile.lanes == WIDE {
                for j in (0..run[1]).step_by(4) {
                    let four = [0, 1, 2, 3].map(|i| keys.at.add((j + i).min(run[1] - 1) * keys.step));
                    pack(four, tile.size, tile.keys.add(j * tile.size), 4);
                }
            }
            for panel in 0..tile.panels() {
                self.take_panel(panel, span, keys, values);
            }
        }
        Some(())
    }

    /// Takes what a panel may see of a span, whose keys and values are loaded.
    unsafe fn take_panel(&self, panel: usize, loaded: Span, keys: Lines, values: Lines) {
        let (call, tile) = (self.call, self.tile);
        let first = panel * tile.lanes;
        let count = tile.lanes.min(tile.rows - first);
        let rows = Rows { first: self.rows.first + first, count, ..self.rows };
        let span = match tile.panels() {
            1 => Some(loaded), // cut for the same rows
            _ => call.span(rows.batch, rows.times(call), loaded.from, loaded.to),
        };
        let Some(mut span) = span else { return };
        let [from, to] = [(span.from - loaded.from) & !3, span.to - loaded.from];
        span.whole &= loaded.from + from == span.from;
        span.from = loaded.from + from;
        // SAFETY: the span is within what is loaded.
        unsafe {
            let (keys, values) = (keys.skip(from), values.skip(from));
            tile.score(panel, from, to, keys);
            let scores = Scores { at: tile.scores, first: loaded.from };
            adjust(call, rows, span, scores);
            let marked = tile.weigh(panel, from, to, &|| !are_finite(values, to - from, tile.value_size));
            if let Some(dropout) = &call.dropout {
                drop_weights(call, rows, span, scores, dropout);
            }
            tile.add(panel, from, to, values, marked);
        }
    }

    /// Writes outputs and logSumExp of the rows whose state it is given.
    unsafe fn finish(&self, state: State) {
        let (call, tile) = (self.call, self.tile);
        let (out, n) = (call.out, call.value_size);
        for r in 0..tile.rows {
            let row = call.out_row(self.rows.batch, self.rows.head, self.rows.first + r);
            // SAFETY: the row is this tile's; the room of values has space for one.
            unsafe {
                let total = *state.totals.add(r);
                let factor = if total == 0.0 { 0.0 } else { 1.0 / total };
                let is_f32 = out.dtype == dtype::F32;
                let to = if is_f32 { out.start::<f32>().add(row * n) } else { tile.value_room };
                for d in 0..n {
                    *to.add(d) = *state.sums.add(r * tile.value_size + d) * factor;
                }
                if !is_f32 {
                    store_f32(out.dtype, to, out.ptr, row * n, 1, n);
                }
                if let Some(x) = call.log_sum_exp {
                    let log = (f64::from(*state.largest.add(r)) + f64::from(total).log2()) * core::f64::consts::LN_2;
                    *x.start::<f32>().add(row) = if total == 0.0 { f32::NEG_INFINITY } else { log as f32 };
                }
            }
        }
    }
}

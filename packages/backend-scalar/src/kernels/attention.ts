/**
 * `softmax(q · k * scale, …) · v` by an online softmax: query `[B, Hkv, G, T, D]`, key `[B, Hkv, S, D]`, value
 * `[B, Hkv, S, Dv]` to `[B, Hkv, G, T, Dv]` and logSumExp `[B, Hkv, G, T]`; `AttentionAttrs` says what the settings mean.
 *
 * A tile is all heads of a group at a few times. It runs over the keys in blocks, which are thus read, decoded and found
 * in their pages once for a group; what no row of the tile may see is not read at all. Scratch is that of one tile and
 * one block, about 120 KB at D = 64 and never beyond 512 KiB up to D = 2,048, whatever T and S are. Arithmetic is in f64.
 *
 * - attention_lines.ts reads keys and values, attention_products.ts multiplies
 * - attention_positions.ts and attention_masks.ts say what counts
 * - attention_tile.ts is the softmax
 *
 * Speed by that of the f32 composition (matmul, mul, softmax, matmul; it masks nothing), measured in turns, V8 15.0, one
 * thread, D = 64, three groups of three heads; causal takes 0.54 of the time of full at T = 512:
 *
 *     T     S              f32 keys     f16 keys     q8_0 keys
 *     512   512   full     2.1 to 2.8
 *     512   512   causal   3.6 to 4.6   3.3 to 3.6   3.0 to 4.4
 *     1     512            1.5 to 2.0   0.6 to 0.9   0.9 to 1.4
 *     1     4096           1.5          0.6 to 0.8   0.95
 *
 * Tried and dropped: f64 copies of all blocks (at T = 1 half as fast, else no gain); adding four weighted values to a row
 * of sums at a time, as matmul does (0.4 of sums kept in registers).
 *
 * Source: Dao et al., "FlashAttention" (2022), algorithm 1; Dao, "FlashAttention-2" (2023), section 3.1.
 */
import type { AttentionAttrs, FusedKernels } from "../../../core/src/backend.ts";
import { isFloat } from "../../../core/src/dtype.ts";
import type { ScalarBuffer, ScalarOperand } from "../buffer.ts";
import { narrowing, widening } from "../elements.ts";
import { dropWeights, type WeightSizes } from "./attention_dropout.ts";
import { isReadable, LineReader } from "./attention_lines.ts";
import { addAlibi, applyMask, BlockMask, capScores, perHead } from "./attention_masks.ts";
import { Positions, type Span } from "./attention_positions.ts";
import { countOf, type Extras, groupOf, type Rows, timeOf } from "./attention_rows.ts";
import { Tile } from "./attention_tile.ts";

/** Rows and keys of a tile where there are as many: with these, what a tile computes outweighs what it reads. */
const MOST_ROWS = 48;
const MOST_KEYS = 64;

/** Scratch of one call; larger heads get smaller tiles. */
const MOST_BYTES = 2 ** 19;

/** The kernel. */
export const attention: NonNullable<FusedKernels<ScalarBuffer>["attention"]> = {
  layout: "strided",
  supports(inputs, { extras }): boolean {
    const [query, key, value] = inputs;
    const { mask, blockKinds, blockTable } = named(inputs, extras);
    return isFloat(query!.dtype) && isReadable(key!) && isReadable(value!) &&
      (mask === undefined || mask.dtype === "bool" || isFloat(mask.dtype)) &&
      (blockKinds === undefined) === (blockTable === undefined); // the table tells the size of blocks
  },
  run(inputs, outputs, attrs): void {
    const call = new AttentionCall(inputs, outputs, attrs);
    const { heads, groups, times } = call.sizes;
    for (let batch = 0; batch < inputs[0]!.shape[0]!; batch++) {
      for (let head = 0; head < heads; head++) {
        for (let group = 0; group < groups; group += call.groups) {
          for (let time = 0; time < times; time += call.times) {
            call.attend({
              ...{ batch, head, group, time },
              groups: Math.min(call.groups, groups - group),
              times: Math.min(call.times, times - time),
            });
          }
        }
      }
    }
  },
};

function named(inputs: readonly ScalarOperand[], extras: AttentionAttrs["extras"]): Extras {
  return Object.fromEntries(extras.map((name, i) => [name, inputs[3 + i]!]));
}

/** How many rows and keys a tile has, for heads of D and Dv elements. */
export function tileSizes(size: number, valueSize: number): { rows: number; keys: number } {
  let [rows, keys] = [MOST_ROWS, MOST_KEYS];
  while (keys > 4 && scratchBytes(rows, keys, size, valueSize) > MOST_BYTES) {
    rows = Math.max(1, Math.floor(rows / 2));
    keys /= 2;
  }
  return { rows, keys };
}

/** Bytes that a call takes beside its operands. */
export function scratchBytes(rows: number, keys: number, size: number, valueSize: number): number {
  return Tile.byteLength(rows, keys, size, valueSize) + LineReader.byteLength(keys, size + valueSize) + 8 * keys;
}

/** One call's operands, readers and scratch. */
class AttentionCall {
  readonly sizes: WeightSizes;
  /** Heads of a group, and times of each, in a tile. */
  readonly groups: number;
  readonly times: number;
  readonly #query: ScalarOperand;
  readonly #outputs: readonly ScalarOperand[];
  readonly #attrs: AttentionAttrs;
  readonly #extras: Extras;
  readonly #keys: LineReader;
  readonly #values: LineReader;
  readonly #positions: Positions;
  readonly #blockMask: BlockMask | undefined;
  readonly #tile: Tile;
  readonly #blockKeys: number;

  constructor(inputs: readonly ScalarOperand[], outputs: readonly ScalarOperand[], attrs: AttentionAttrs) {
    const [query, key, value] = inputs;
    const [, heads, groups, times, size] = query!.shape;
    const valueSize = value!.shape[3]!;
    const { rows, keys } = tileSizes(size!, valueSize);
    this.sizes = { heads: heads!, groups: groups!, times: times!, keys: attrs.keyCount };
    this.groups = Math.min(groups!, rows);
    this.times = Math.min(times!, timesOf(Math.floor(rows / this.groups)));
    this.#query = query!;
    this.#outputs = outputs;
    this.#attrs = attrs;
    this.#extras = named(inputs, attrs.extras);
    this.#blockKeys = Math.min(keys, attrs.keyCount);
    this.#keys = new LineReader(key!, this.#extras.pageTable, this.#blockKeys);
    this.#values = new LineReader(value!, this.#extras.pageTable, this.#blockKeys);
    this.#positions = new Positions(this.#extras, attrs, times!, this.#blockKeys);
    this.#blockMask = BlockMask.of(this.#extras);
    this.#tile = new Tile(this.groups * this.times, this.#blockKeys, size!, valueSize);
  }

  /** Computes one tile. */
  attend(rows: Rows): void {
    this.#begin(rows);
    const end = this.#positions.keyCount(rows.batch);
    for (let s = 0; s < end; s += this.#blockKeys) {
      const span = this.#positions.span(rows, s, Math.min(end, s + this.#blockKeys));
      if (span !== undefined && (this.#blockMask?.shows(rows, span) ?? true)) this.#visit(rows, span);
    }
    this.#finish(rows);
  }

  #begin(rows: Rows): void {
    const { sinks } = this.#extras;
    this.#tile.clear();
    for (let r = 0; r < countOf(rows); r++) {
      this.#loadQuery(rows, r);
      this.#tile.begin(r, sinks === undefined ? undefined : perHead(sinks, rows, r));
    }
  }

  #loadQuery(rows: Rows, r: number): void {
    const { buffer: { elements }, dtype, shape, strides: [sb, sh, sg, st, sd], offset } = this.#query;
    const widen = widening(dtype);
    const size = shape[4]!;
    let at = offset + rows.batch * sb! + rows.head * sh! + groupOf(rows, r) * sg! + timeOf(rows, r) * st!;
    for (let i = r * size; i < (r + 1) * size; i++, at += sd!) {
      const x = elements[at]!;
      this.#tile.queries[i] = (widen === undefined ? x : widen(x)) * this.#attrs.scale;
    }
  }

  /** Takes a span of keys into the tile. */
  #visit(rows: Rows, span: Span): void {
    const [tile, count] = [this.#tile, countOf(rows)];
    tile.score(count, this.#keys.load(rows.batch, rows.head, span.first, span.count), span.count);
    this.#adjust(rows, span);
    const hidden = tile.weigh(count, span.count);
    const { dropout } = this.#attrs;
    if (dropout !== undefined) dropWeights(rows, span, dropout, this.sizes, tile.scores, tile.step);
    tile.add(count, this.#values.load(rows.batch, rows.head, span.first, span.count), span.count, hidden);
  }

  #adjust(rows: Rows, span: Span): void {
    const { scores, step } = this.#tile;
    const { mask, alibiSlopes } = this.#extras;
    const { softcap } = this.#attrs;
    if (softcap !== 0) capScores(rows, span, softcap, scores, step);
    if (alibiSlopes !== undefined) addAlibi(rows, span, alibiSlopes, this.#positions, scores, step);
    if (mask !== undefined) applyMask(rows, span, mask, scores, step);
    this.#positions.hide(rows, span, scores, step);
    this.#blockMask?.hide(rows, span, scores, step);
  }

  #finish(rows: Rows): void {
    const [out, logSumExp] = this.#outputs;
    const { heads, groups, times } = this.sizes;
    const [size, to] = [out!.shape[4]!, out!.buffer.elements];
    const narrow = narrowing("f64", out!.dtype);
    for (let r = 0; r < countOf(rows); r++) {
      const row = ((rows.batch * heads + rows.head) * groups + groupOf(rows, r)) * times + timeOf(rows, r);
      for (let d = 0; d < size; d++) {
        const x = this.#tile.output(r, d);
        to[row * size + d] = narrow === undefined ? x : narrow(x);
      }
      if (logSumExp !== undefined) logSumExp.buffer.elements[row] = this.#tile.logSumExp(r);
    }
  }
}

/** Times in fours where there are that many: then no row is computed in vain. */
function timesOf(most: number): number {
  return most < 4 ? Math.max(1, most) : most - most % 4;
}

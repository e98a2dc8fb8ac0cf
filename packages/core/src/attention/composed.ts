/**
 * Attention in public ops: what the fused kernels compute, the oracle they are tested against, and what runs where a
 * backend has none. It holds the `[T, S]` scores, for some rows or for all.
 *
 *     raw = q · kᵀ    scaled = raw * scale    softcapped = c * tanh(scaled / c)    masked = softcapped + biases, or -Infinity
 *     weights = exp(masked - logSumExp)       output = dropout(weights) · v
 */
import { logicalAnd, logicalOr, maximum } from "../ops/primitives/binary.ts";
import { uniformSlice } from "../ops/primitives/random.ts";
import { filled } from "../ops/primitives/fill.ts";
import { indexSelect } from "../ops/primitives/gather.ts";
import { matmul } from "../ops/primitives/matmul.ts";
import { where } from "../ops/primitives/where.ts";
import { isBlock } from "../dtype.ts";
import type { Tensor } from "../tensor.ts";
import { type AttentionCall, extraOf, queryPositions } from "./call.ts";

/** Query rows `start` to `start + count` of a call. */
export interface Rows {
  /** The first one. */
  readonly start: number;
  /** How many. */
  readonly count: number;
}

/** Scores `[B, Hkv, G, rows, S]` at each stage. */
export interface Scores {
  /** `q · k`. */
  readonly raw: Tensor;
  /** Times scale. */
  readonly scaled: Tensor;
  /** Bounded by softcap. */
  readonly softcapped: Tensor;
  /** With biases, and -Infinity where hidden. */
  readonly masked: Tensor;
  /** Keys that masks leave to some row, bool `[B or 1, Hkv or 1, S or 1, 1]`; undefined where that is all. */
  readonly seen: Tensor | undefined;
}

/** What the composition gives, heads still in groups. */
export interface Composed {
  /** `[B, Hkv, G, T, Dv]` in query's dtype. */
  readonly output: Tensor;
  /** `[B, Hkv, G, T, S]`, after dropout. */
  readonly weights: Tensor;
  /** `[B, Hkv, G, T]`. */
  readonly logSumExp: Tensor;
  /** By stage. */
  readonly scores: Scores;
}

/** All of a call. To be run within `tidy`. */
export function composed(call: AttentionCall): Composed {
  const query = call.inputs[0]!;
  const rows = { start: 0, count: query.shape[3]! };
  const scores = scoresOf(call, rows);
  const { masked } = scores;
  const sinks = extraOf(call, "sinks")?.reshape([1, query.shape[1]!, query.shape[2]!, 1, 1]);
  const highest = masked.shape[4] === 0
    ? filled(query.backend, [...masked.shape.slice(0, 4), 1], masked.dtype, -Infinity)
    : masked.detach().amax({ dim: -1, keepdim: true });
  const top = sinks === undefined ? highest : maximum(highest, sinks.detach());
  const shift = where(top.eq(-Infinity), 0, top); // a row that sees nothing has no maximum to take away
  const powers = masked.sub(shift).exp();
  const own = powers.sum({ dim: -1, keepdim: true });
  const sum = sinks === undefined ? own : own.add(sinks.sub(shift).exp());
  const weights = dropped(call, powers.div(where(sum.eq(0), 1, sum)), rows);
  return {
    output: grouped(weights, valuesOf(call, scores.seen)).to(query.dtype),
    weights,
    logSumExp: sum.log().add(shift).squeeze(-1),
    scores,
  };
}

/** `[B, Hkv, G, n, K] x [B, Hkv, K, N] -> [B, Hkv, G, n, N]`: the rows of a group's heads share one right operand. */
export function grouped(left: Tensor, right: Tensor): Tensor {
  const [batch, keyHeads, groups, rows, inner] = left.shape as [number, number, number, number, number]; // rank 5
  const product = matmul(left.reshape([batch, keyHeads, groups * rows, inner]), right);
  return product.reshape([batch, keyHeads, groups, rows, right.shape[3]!]);
}

/** The scores of some query rows. */
export function scoresOf(call: AttentionCall, rows: Rows): Scores {
  const { softcap, scale } = call.attrs;
  const query = call.inputs[0]!.narrow(3, rows.start, rows.count);
  const wide = query.to(query.dtype === "f64" ? "f64" : "f32");
  const shown = unmasked(call, rows);
  const seen = seenBySome(shown);
  const raw = grouped(wide, keysOf(call, seen).transpose(2, 3));
  const scaled = raw.mul(scale);
  const softcapped = softcap === 0 ? scaled : scaled.div(softcap).tanh().mul(softcap);
  const biased = withBiases(call, softcapped, rows);
  const band = bandVisible(call, rows);
  const visible = shown === undefined || band === undefined ? shown ?? band : logicalAnd(shown, band);
  const masked = visible === undefined ? biased : where(visible, biased, -Infinity);
  return { raw, scaled, softcapped, masked, seen };
}

/** Keys `[B, Hkv, S, D]`; zeros where they are masked from every row. */
export function keysOf(call: AttentionCall, seen: Tensor | undefined): Tensor {
  return withoutPadding(paged(call, call.inputs[1]!), seen);
}

/** Values `[B, Hkv, S, Dv]`; zeros where they are masked from every row. */
export function valuesOf(call: AttentionCall, seen: Tensor | undefined): Tensor {
  return withoutPadding(paged(call, call.inputs[2]!), seen);
}

/** What is masked from every row does not exist: padding may hold NaN, and NaN times a weight of 0 would be NaN. */
function withoutPadding(x: Tensor, seen: Tensor | undefined): Tensor {
  return seen === undefined ? x : where(seen, isBlock(x.dtype) ? x.to("f32") : x, 0);
}

function seenBySome(shown: Tensor | undefined): Tensor | undefined {
  if (shown === undefined || shown.numel === 0) return undefined;
  const whole = shown.reshape([...Array<number>(5 - shown.rank).fill(1), ...shown.shape]);
  return whole.any({ dim: [2, 3] }).unsqueeze(-1);
}

/** A pool's pages in the order of the table; other operands are as they should be. */
function paged(call: AttentionCall, pool: Tensor): Tensor {
  const table = extraOf(call, "pageTable");
  if (table === undefined) return pool;
  const [batch, pages] = [table.shape[0]!, table.shape[1]!];
  const [, heads, slots, size] = pool.shape as [number, number, number, number]; // rank 4, checked
  const rows = indexSelect(pool, 0, table.reshape([batch * pages])).reshape([batch, pages, heads, slots, size]);
  const ordered = rows.transpose(1, 2).reshape([batch, heads, pages * slots, size]);
  return ordered.narrow(2, 0, call.attrs.keyCount);
}

/** ALiBi, the caller's function and the float mask, in that order. */
function withBiases(call: AttentionCall, scores: Tensor, { start, count }: Rows): Tensor {
  const slopes = extraOf(call, "alibiSlopes");
  let biased = scores;
  if (slopes !== undefined) {
    const distance = keyPositions(call).sub(rowPositions(call, { start, count })).to(slopes.dtype);
    biased = biased.add(slopes.reshape([1, slopes.shape[0]!, slopes.shape[1]!, 1, 1]).mul(distance));
  }
  if (call.scoreMod !== undefined) biased = call.scoreMod(biased); // all rows: such calls are not cut
  const mask = extraOf(call, "mask");
  return mask === undefined || mask.dtype === "bool"
    ? biased
    : biased.add(mask.narrow(3, start, count).to(biased.dtype));
}

/** Positions of rows, to broadcast against `[B, Hkv, G, rows, S]`. */
function rowPositions(call: AttentionCall, { start, count }: Rows): Tensor {
  const positions = queryPositions(call).narrow(-1, start, count);
  return positions.reshape([positions.rank === 2 ? positions.shape[0]! : 1, 1, 1, count, 1]);
}

function keyPositions(call: AttentionCall): Tensor {
  const given = extraOf(call, "keyPositions");
  return given ?? filled(call.inputs[0]!.backend, [call.attrs.keyCount], "i32", 0, 1);
}

/** What masks, lengths and blocks leave of the scores, as bool that broadcasts to them; undefined where that is all. */
function unmasked(call: AttentionCall, rows: Rows): Tensor | undefined {
  const mask = extraOf(call, "mask");
  const conditions = [
    mask === undefined ? undefined : shownByMask(mask.narrow(3, rows.start, rows.count)),
    lengthVisible(call),
    blocksVisible(call, rows),
  ].filter((condition) => condition !== undefined);
  return conditions.length === 0 ? undefined : conditions.reduce((a, b) => logicalAnd(a, b));
}

/** A float mask hides where it is -Infinity. */
function shownByMask(mask: Tensor): Tensor {
  return mask.dtype === "bool" ? mask : mask.detach().ne(-Infinity);
}

function bandVisible(call: AttentionCall, rows: Rows): Tensor | undefined {
  const { left, right, sinkTokens } = call.attrs;
  if (left === Infinity && right === Infinity) return undefined;
  const [p, s] = [rowPositions(call, rows), keyPositions(call)];
  const notAfter = right === Infinity ? undefined : s.le(p.add(right));
  if (left === Infinity) return notAfter;
  const near = s.ge(p.sub(left));
  const notBefore = sinkTokens === 0 ? near : logicalOr(near, s.lt(sinkTokens));
  return notAfter === undefined ? notBefore : logicalAnd(notAfter, notBefore);
}

function lengthVisible(call: AttentionCall): Tensor | undefined {
  const lengths = extraOf(call, "keyLengths");
  if (lengths === undefined) return undefined;
  const index = filled(lengths.backend, [call.attrs.keyCount], "i32", 0, 1);
  return index.lt(lengths.reshape([lengths.shape[0]!, 1, 1, 1, 1]));
}

/** The block mask written out for the blocks that hold the rows. */
function blocksVisible(call: AttentionCall, { start, count }: Rows): Tensor | undefined {
  const [kinds, table] = [extraOf(call, "blockKinds"), extraOf(call, "blockTable")];
  if (kinds === undefined || table === undefined) return undefined;
  const size = table.shape[1]!;
  const first = Math.floor(start / size);
  const [across, along] = [Math.ceil((start + count) / size) - first, kinds.shape[4]!];
  const [batch, keyHeads, groups] = kinds.shape as [number, number, number]; // rank 5
  const near = kinds.narrow(3, first, across).reshape([batch * keyHeads * groups * across * along]);
  const blocks = indexSelect(table, 0, near).reshape([batch, keyHeads, groups, across, along, size, size]);
  const flat = blocks.transpose(4, 5).reshape([batch, keyHeads, groups, across * size, along * size]);
  return flat.narrow(3, start - first * size, count).narrow(4, 0, call.attrs.keyCount);
}

/** Weights with some dropped and the others scaled. */
export function dropped(call: AttentionCall, weights: Tensor, { start, count }: Rows): Tensor {
  const { dropout, keyCount } = call.attrs;
  if (dropout === undefined) return weights;
  const length = call.inputs[0]!.shape[3]!;
  const draws = { seed: dropout.seed, start: start * keyCount, run: count * keyCount, step: length * keyCount };
  const keep = uniformSlice(weights.backend, weights.shape, draws).ge(dropout.p);
  return where(keep, weights.mul(1 / (1 - dropout.p)), 0);
}

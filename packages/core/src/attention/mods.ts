/**
 * Ready-made functions for `maskMod`, `scoreMod` and `createBlockMask` (FlexAttention's words): each takes index tensors that
 * broadcast against each other, t and s being positions, and is made of ops, so that it runs on any backend.
 */
import { ShapeError, showShape, showValue } from "../errors.ts";
import { logicalAnd, logicalOr } from "../ops/primitives/binary.ts";
import { indexSelect } from "../ops/primitives/gather.ts";
import type { Tensor } from "../tensor.ts";
import type { MaskMod, ScoreMod } from "./options.ts";

/** Keys up to the query's own position. */
export function causal(_b: Tensor, _h: Tensor, t: Tensor, s: Tensor): Tensor {
  return s.le(t);
}

/**
 * The last `size` keys, the query's own included, and none after it.
 *
 * @throws {ShapeError} when size is no positive integer
 */
export function slidingWindow(size: number): MaskMod {
  if (!Number.isInteger(size) || size < 1) {
    throw new ShapeError(`Cannot make a slidingWindow of ${size}: it is a count of at least 1`);
  }
  return (_b, _h, t, s) => logicalAnd(s.le(t), s.gt(t.sub(size)));
}

/**
 * The first `length` keys for every query, and causal attention after them (prefix LM).
 *
 * @param length one for all rows, or i32 `[B]`
 * @throws {ShapeError} when it is neither
 */
export function prefix(length: number | Tensor): MaskMod {
  const wrong = typeof length === "number" ? !(Number.isInteger(length) && length >= 0) : length.rank !== 1;
  if (wrong) {
    const shown = typeof length === "number" ? showValue(length) : showShape(length.shape);
    throw new ShapeError(`Cannot make a prefix of ${shown}: it is a count from 0, or [B]`);
  }
  return (b, _h, t, s) => {
    const first = typeof length === "number" ? length : indexSelect(length, 0, b.flatten()).reshape(b.shape);
    return logicalOr(s.lt(first), s.le(t));
  };
}

/**
 * Keys of the query's own document, of several packed into one row.
 *
 * @param ids i32 `[S]`, or `[B, S]`: the document of each position
 * @throws {ShapeError} for other ranks
 */
export function document(ids: Tensor): MaskMod {
  if (ids.rank !== 1 && ids.rank !== 2) {
    throw new ShapeError(`Cannot mask documents by ids ${showShape(ids.shape)}: they are [S] or [B, S]`);
  }
  const rows = ids.rank === 2 ? ids.shape[0]! : 1;
  const length = ids.shape.at(-1)!;
  return (b, _h, t, s) => {
    const at = (position: Tensor) => {
      const index = rows === 1 ? position : b.mul(length).add(position);
      return indexSelect(ids.reshape([rows * length]), 0, index.flatten()).reshape(index.shape);
    };
    return at(t).eq(at(s));
  };
}

/**
 * Adds `slope[h] * (s - t)` to the scores (Press et al., 2021); the option `alibiSlopes` does it in fused kernels.
 *
 * @param slopes `[H]`
 * @throws {ShapeError} for another rank
 */
export function alibi(slopes: Tensor): ScoreMod {
  if (slopes.rank !== 1) throw new ShapeError(`Cannot alibi with slopes ${showShape(slopes.shape)}: they are [H]`);
  return (score, _b, h, t, s) => {
    const slope = indexSelect(slopes, 0, h.flatten()).reshape(h.shape).to(score.dtype);
    return score.add(s.sub(t).to(score.dtype).mul(slope));
  };
}

/** What all of the functions show. @throws {ShapeError} when there is none */
export function andMasks(...mods: readonly MaskMod[]): MaskMod {
  checkSome("andMasks", mods);
  return (...indices) => mods.map((mod) => mod(...indices)).reduce((a, b) => logicalAnd(a, b));
}

/** What any of the functions shows. @throws {ShapeError} when there is none */
export function orMasks(...mods: readonly MaskMod[]): MaskMod {
  checkSome("orMasks", mods);
  return (...indices) => mods.map((mod) => mod(...indices)).reduce((a, b) => logicalOr(a, b));
}

function checkSome(op: string, mods: readonly MaskMod[]): void {
  if (mods.length === 0) throw new ShapeError(`Cannot ${op} of nothing: give at least one function`);
}

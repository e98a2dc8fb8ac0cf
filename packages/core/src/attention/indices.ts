/** Index tensors for functions of scores, and what such functions give, checked. */
import type { Backend } from "../backend.ts";
import { DTypeError, ShapeError, showShape, showValue } from "../errors.ts";
import { isFloat } from "../dtype.ts";
import { filled } from "../ops/primitives/fill.ts";
import { Tensor } from "../tensor.ts";
import type { AttentionIndices, MaskMod } from "./options.ts";

/** i32 b, h, t, s of four dims each, to be broadcast against `[B, H, T, S]`. */
export function indicesOf(
  backend: Backend,
  batch: number,
  heads: number,
  queryPositions: Tensor,
  keyPositions: Tensor,
): AttentionIndices {
  const [t, s] = [queryPositions, keyPositions];
  return [
    filled(backend, [batch, 1, 1, 1], "i32", 0, 1),
    filled(backend, [1, heads, 1, 1], "i32", 0, 1),
    t.reshape([t.rank === 2 ? batch : 1, 1, t.shape.at(-1)!, 1]),
    s.reshape([1, 1, 1, s.numel]),
  ];
}

/**
 * What a function shows, as a bool tensor that broadcasts to the scores.
 *
 * @param op what the message says cannot be done
 * @throws {DTypeError} when it gives no bool tensor
 * @throws {ShapeError} when that does not broadcast
 */
export function shownBy(
  op: string,
  maskMod: MaskMod,
  indices: AttentionIndices,
  scores: readonly number[],
  remedy = "",
): Tensor {
  const shown: unknown = maskMod(...indices);
  if (!(shown instanceof Tensor) || shown.dtype !== "bool") {
    throw new DTypeError(`Cannot ${op}: maskMod gave ${showResult(shown)}; it must give bool`);
  }
  const lead = scores.length - shown.rank;
  if (lead >= 0 && shown.shape.every((size, i) => size === 1 || size === scores[lead + i])) return shown;
  throw new ShapeError(
    `Cannot ${op}: maskMod gave ${showShape(shown.shape)}, which does not broadcast to the scores ` +
      `${showShape(scores)}${remedy}`,
  );
}

/** The scores a function gave, if they are any. @throws {DTypeError} {ShapeError} */
export function checkScores(changed: unknown, scores: readonly number[]): Tensor {
  if (!(changed instanceof Tensor) || !isFloat(changed.dtype)) {
    throw new DTypeError(`Cannot attend: scoreMod gave ${showResult(changed)}; it must give floats`);
  }
  if (changed.rank === scores.length && changed.shape.every((size, i) => size === scores[i])) return changed;
  throw new ShapeError(
    `Cannot attend: scoreMod gave ${showShape(changed.shape)}; it must keep the scores' shape ${showShape(scores)}`,
  );
}

function showResult(result: unknown): string {
  return result instanceof Tensor ? `${result.dtype} ${showShape(result.shape)}` : `${showValue(result)}, no tensor`;
}

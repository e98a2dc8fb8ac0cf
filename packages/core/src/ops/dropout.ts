/** Dropout by a counter-based generator: the mask depends on the seed and the shape alone, so it is equal on every backend. */
import { ShapeError, showShape } from "../errors.ts";
import { tidy } from "../memory.ts";
import type { Tensor } from "../tensor.ts";
import { filled } from "./primitives/fill.ts";
import { seedWords, uniform } from "./primitives/random.ts";
import { where } from "./primitives/where.ts";

/**
 * Elements set to 0 with probability p, the others scaled by `1 / (1 - p)`.
 *
 * @param seed which mask; another one for each call
 * @throws {ShapeError} unless `0 <= p <= 1`
 */
export function dropout(x: Tensor, p: number, seed: number): Tensor {
  if (!(p >= 0 && p <= 1)) {
    throw new ShapeError(`Cannot dropout ${showShape(x.shape)} with p = ${p}: it is a probability`);
  }
  return tidy(() => {
    const zero = filled(x.backend, [], x.dtype, 0);
    const keep = uniform(x.backend, x.shape, seedWords(seed)).ge(p);
    return where(keep, x.mul(p === 1 ? 0 : 1 / (1 - p)), zero);
  });
}

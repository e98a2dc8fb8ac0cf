/**
 * Compositions on halves, in f32: their sums and squares may pass 65504, the largest f16, where their results do not, and
 * each op would round what the next one takes.
 */
import { type DType, isHalf } from "../dtype.ts";
import { tidy } from "../memory.ts";
import type { Tensor } from "../tensor.ts";

/** The dtype that a composition on `dtype` is computed in. */
export function wideOf(dtype: DType): DType {
  return isHalf(dtype) ? "f32" : dtype;
}

/** What `fn` makes of x in `dtype`, or in f32 where that is a half; the result is of `dtype`, rounded once. */
export function inWide(x: Tensor, dtype: DType, fn: (x: Tensor) => Tensor): Tensor {
  const wide = wideOf(dtype);
  if (x.dtype === dtype && wide === dtype) return tidy(() => fn(x));
  return tidy(() => fn(x.to(wide)).to(dtype));
}

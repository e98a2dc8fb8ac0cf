/**
 * `softmax(x)_i = exp(x_i - max x) / sum_j exp(x_j - max x)` along a dim, and its logarithm.
 * A row of -Infinity alone gives NaN, as in PyTorch; attention has its own rule for such rows.
 */
import { callFused } from "../../dispatch.ts";
import { isFloat } from "../../dtype.ts";
import { record } from "../../grad/node.ts";
import { noGrad } from "../../grad/no_grad.ts";
import { tidy } from "../../memory.ts";
import { normalizeDim } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { cast } from "../primitives/copy.ts";
import { amax } from "../primitives/reduce.ts";
import { transpose } from "../views/permute.ts";

/** What softmax is: the composition, along dim `dim`. */
function composed(x: Tensor, dim: number): Tensor {
  const e = shifted(x, dim).exp();
  return e.div(e.sum({ dim, keepdim: true })).to(x.dtype);
}

/** x less its maximum, halves widened to f32. */
function shifted(x: Tensor, dim: number): Tensor {
  const wide = x.to(x.dtype === "f64" ? "f64" : "f32");
  return wide.sub(amax(wide, { dim, keepdim: true }));
}

/**
 * Softmax along a dim, in f32 or better.
 *
 * @throws {ShapeError} when dim is out of range
 */
export function softmax(x: Tensor, dim: number): Tensor {
  x.checkAlive("softmax");
  const at = normalizeDim("softmax", dim, x.shape);
  if (!isFloat(x.dtype)) return tidy(() => softmax(cast(x, "f32"), dim));
  if (x.rank === 0) return tidy(() => softmax(x.reshape([1]), 0).reshape([]));
  if (x.numel === 0) return x.clone();
  const out = at === x.rank - 1
    ? lastDim(x, at)
    : tidy(() => transpose(lastDim(transpose(x.detach(), at, -1), -1), at, -1));
  return record("softmax", out, [x], [(grad, [y]) => {
    const weighted = grad.mul(y!);
    return weighted.sub(y!.mul(weighted.sum({ dim: at, keepdim: true })));
  }], [out]);
}

function lastDim(x: Tensor, dim: number): Tensor {
  return callFused("softmax", [x], x.shape, x.dtype, {}) ?? noGrad(() => tidy(() => composed(x, dim)));
}

/** The logarithm of softmax along a dim, exact where softmax underflows. @throws {ShapeError} */
export function logSoftmax(x: Tensor, dim: number): Tensor {
  x.checkAlive("logSoftmax");
  const at = normalizeDim("logSoftmax", dim, x.shape);
  if (!isFloat(x.dtype)) return tidy(() => logSoftmax(cast(x, "f32"), dim));
  if (x.rank === 0) return tidy(() => logSoftmax(x.reshape([1]), 0).reshape([]));
  if (x.numel === 0) return x.clone();
  const out = noGrad(() =>
    tidy(() => {
      const low = shifted(x, at);
      return low.sub(low.exp().sum({ dim: at, keepdim: true }).log()).to(x.dtype);
    })
  );
  return record("logSoftmax", out, [x], [
    (grad, [y]) => grad.sub(y!.exp().mul(grad.sum({ dim: at, keepdim: true }))),
  ], [out]);
}

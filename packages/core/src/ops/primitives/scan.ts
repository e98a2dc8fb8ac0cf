/** Running sums and products along a dim. Ints and bools give i32, which wraps beyond 2^31: convert to f32 or f64 first. */
import { call } from "../../dispatch.ts";
import { dtypeInfo, isFloat } from "../../dtype.ts";
import { DTypeError, showShape } from "../../errors.ts";
import { record } from "../../grad/node.ts";
import { normalizeDim } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { fit } from "./binary.ts";
import { alias } from "./copy.ts";
import { filled } from "./fill.ts";
import { cat, flip } from "../rearrange.ts";

function scan(op: "sum" | "prod", x: Tensor, dim: number): Tensor {
  if (dtypeInfo(x.dtype).kind === "block") {
    throw new DTypeError(`Cannot cum${op} ${x.dtype} ${showShape(x.shape)}: convert with to("f32") first`);
  }
  const at = normalizeDim(`cum${op}`, dim, x.shape);
  if (x.rank === 0) return fit(`cum${op}`, x, x.dtype, x.shape);
  return call("scan", [x], x.shape, isFloat(x.dtype) ? x.dtype : "i32", { op, dim: at });
}

/**
 * Sums of all elements up to and including each one, of ints and bools in i32, which wraps: use `to("f32")` first where
 * they may pass 2^31.
 *
 * @throws {ShapeError} when dim is out of range
 */
export function cumsum(x: Tensor, dim: number): Tensor {
  return record("cumsum", scan("sum", x, dim), [x], [(grad) => suffixSum(grad, dim)]);
}

/** Products of all elements up to and including each one, which wrap as sums do; the gradient is right with zeros too. */
export function cumprod(x: Tensor, dim: number): Tensor {
  return record("cumprod", scan("prod", x, dim), [x], [(grad, [input]) => cumprodGradient(grad, input!, dim)], [x]);
}

/** `(prod_{j<k} x_j) * r_k` with `r_k = grad_k + x_{k+1} r_{k+1}`: no division, so zeros do no harm. */
function cumprodGradient(grad: Tensor, x: Tensor, dim: number): Tensor {
  const size = x.rank === 0 ? 1 : x.shape.at(dim)!;
  if (size <= 1) return alias(grad);
  const at = (t: Tensor, k: number) => t.narrow(dim, k, 1);
  const tails = [at(grad, size - 1)];
  for (let k = size - 2; k >= 0; k--) tails.push(at(grad, k).add(at(x, k + 1).mul(tails.at(-1)!)));
  const one = filled(x.backend, at(x, 0).shape, x.dtype, 1);
  const before = cumprod(cat([one, x.narrow(dim, 0, size - 1)], dim), dim);
  return cat(tails.reverse(), dim).mul(before);
}

function suffixSum(x: Tensor, dim: number): Tensor {
  return x.rank === 0 ? alias(x) : flip(cumsum(flip(x, dim), dim), dim);
}

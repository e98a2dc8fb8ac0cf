/** Running sums and products along a dim. Ints and bools give i32. */
import { call } from "../../dispatch.ts";
import { dtypeInfo, isFloat } from "../../dtype.ts";
import { DTypeError, showShape } from "../../errors.ts";
import { record } from "../../grad/node.ts";
import { normalizeDim } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { fit } from "./binary.ts";
import { alias } from "./copy.ts";
import { flip } from "../rearrange.ts";

function scan(op: "sum" | "prod", x: Tensor, dim: number): Tensor {
  if (dtypeInfo(x.dtype).kind === "block") {
    throw new DTypeError(`Cannot cum${op} ${x.dtype} ${showShape(x.shape)}: convert with to("f32") first`);
  }
  const at = normalizeDim(`cum${op}`, dim, x.shape);
  if (x.rank === 0) return fit(x, x.dtype, x.shape);
  return call("scan", [x], x.shape, isFloat(x.dtype) ? x.dtype : "i32", { op, dim: at });
}

/** Sums of all elements up to and including each one. @throws {ShapeError} when dim is out of range */
export function cumsum(x: Tensor, dim: number): Tensor {
  return record("cumsum", scan("sum", x, dim), [x], [(grad) => suffixSum(grad, dim)]);
}

/** Products of all elements up to and including each one; the gradient wants elements that are not 0. */
export function cumprod(x: Tensor, dim: number): Tensor {
  const out = scan("prod", x, dim);
  return record("cumprod", out, [x], [(grad, [input, y]) => suffixSum(grad.mul(y!), dim).div(input!)], [x, out]);
}

function suffixSum(x: Tensor, dim: number): Tensor {
  return x.rank === 0 ? alias(x) : flip(cumsum(flip(x, dim), dim), dim);
}

/** Group `reduce`: reductions, extremes with their places, and running sums and products. */
import * as core from "../../../../core/mod.ts";
import type { Tensor } from "../../../../core/mod.ts";
import type { Call, GoldenOp, OpTable } from "../call.ts";

interface Dims {
  readonly dim: number | number[] | undefined;
  readonly keepdim: boolean;
}

function dims(c: Call): Dims {
  return { dim: c.attrs.dims("dim"), keepdim: c.attrs.flag("keepdim") };
}

function reduction(fn: (x: Tensor, options: Dims) => Tensor): GoldenOp {
  return (c) => ({ output: fn(c.tensor("x"), dims(c)) });
}

/** With the correction where the case has one. */
function spread(fn: (x: Tensor, options: core.VarianceOptions) => Tensor): GoldenOp {
  return (c) => ({ output: fn(c.tensor("x"), { ...dims(c), correction: c.attrs.maybeNumber("correction") }) });
}

function place(fn: (x: Tensor, options: { dim: number | undefined; keepdim: boolean }) => Tensor): GoldenOp {
  return (c) => ({
    output: fn(c.tensor("x"), { dim: c.attrs.maybeNumber("dim"), keepdim: c.attrs.flag("keepdim") }),
  });
}

function extreme(fn: (x: Tensor, dim: number, keepdim?: boolean) => core.SortResult): GoldenOp {
  return (c) => {
    const { values, indices } = fn(c.tensor("x"), c.attrs.number("dim"), c.attrs.flag("keepdim"));
    return { output: values, indices };
  };
}

/** Mappings of group `reduce`. */
export const REDUCE_OPS: OpTable = {
  sum: reduction(core.sum),
  mean: reduction(core.mean),
  amax: reduction(core.amax),
  amin: reduction(core.amin),
  prod: reduction(core.prod),
  logsumexp: reduction(core.logsumexp),
  vector_norm: reduction(core.vectorNorm),
  any: reduction(core.any),
  all: reduction(core.all),
  var: spread(core.variance),
  std: spread(core.std),
  argmax: place(core.argmax),
  argmin: place(core.argmin),
  max: extreme(core.max),
  min: extreme(core.min),
  cumsum: (c) => ({ output: core.cumsum(c.tensor("x"), c.attrs.number("dim")) }),
  cumprod: (c) => ({ output: core.cumprod(c.tensor("x"), c.attrs.number("dim")) }),
};

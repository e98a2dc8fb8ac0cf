/**
 * Reductions composed of others: means, variances, log-sum-exp, vector norms, extremes with their indices. Of halves they
 * are computed in f32 and rounded once.
 */
import { type DType, isFloat } from "../dtype.ts";
import { checkNames, DTypeError, showShape } from "../errors.ts";
import { tidy } from "../memory.ts";
import { normalizeDims } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { noGrad } from "../grad/no_grad.ts";
import { FOREIGN_DIM_OPTIONS } from "./option_names.ts";
import { gather } from "./primitives/gather.ts";
import { amax, amin, argmax, argmin, type ReduceOptions, sum } from "./primitives/reduce.ts";
import type { SortResult } from "./primitives/sort.ts";
import { where } from "./primitives/where.ts";
import { inWide } from "./wide.ts";

const REDUCE_OPTIONS = { dim: true, keepdim: true, dtype: true } as const satisfies Record<keyof ReduceOptions, true>;

function count(op: string, x: Tensor, options: ReduceOptions): number {
  return normalizeDims(op, options.dim, x.shape).reduce((n, d) => n * x.shape[d]!, 1);
}

/** The dtype of the result: the one asked for, or x's. @throws {DTypeError} unless it is of floats */
function floatDType(op: string, x: Tensor, asked: DType | undefined): DType {
  if (asked !== undefined && !isFloat(asked)) {
    throw new DTypeError(
      `Cannot ${op} ${x.dtype} ${showShape(x.shape)} in ${asked}: its results are floats; use "f32"`,
    );
  }
  if (asked === undefined && !isFloat(x.dtype)) {
    throw new DTypeError(`Cannot ${op} ${x.dtype} ${showShape(x.shape)}: it takes floats; use to("f32")`);
  }
  return asked ?? x.dtype;
}

/** The mean over dims. @throws {DTypeError} when x is not of floats and no dtype of floats is asked for */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  checkNames("mean", options, REDUCE_OPTIONS, FOREIGN_DIM_OPTIONS);
  x.checkAlive("mean");
  const dtype = floatDType("mean", x, options.dtype);
  const { dim, keepdim } = options;
  return inWide(x, dtype, (h) => sum(h, { dim, keepdim }).div(count("mean", x, options)));
}

/** Settings of `variance` and `std`. */
export interface VarianceOptions extends ReduceOptions {
  /** Subtracted from the number of elements: 1 (the default) for a sample, 0 for a population. */
  readonly correction?: number | undefined;
}

const VARIANCE_OPTIONS = {
  ...REDUCE_OPTIONS,
  correction: true,
} as const satisfies Record<keyof VarianceOptions, true>;

/** The variance over dims (`torch.var`). @throws {DTypeError} when x is not of floats and no dtype of floats is asked for */
export function variance(x: Tensor, options: VarianceOptions = {}): Tensor {
  checkNames("variance", options, VARIANCE_OPTIONS, FOREIGN_DIM_OPTIONS);
  return inWide(x, floatDType("variance", x, options.dtype), (h) => varianceOf(h, options));
}

/** The variance in x's own dtype. */
function varianceOf(x: Tensor, { dim, keepdim, correction = 1 }: VarianceOptions): Tensor {
  const centred = x.sub(mean(x, { dim, keepdim: true }));
  const freedom = Math.max(0, count("variance", x, { dim }) - correction);
  return sum(centred.square(), { dim, keepdim }).div(freedom);
}

/**
 * The standard deviation over dims; the gradient is 0 where all elements are equal.
 *
 * @throws {DTypeError} when x is not of floats and no dtype of floats is asked for
 */
export function std(x: Tensor, options: VarianceOptions = {}): Tensor {
  checkNames("std", options, VARIANCE_OPTIONS, FOREIGN_DIM_OPTIONS);
  const dtype = floatDType("std", x, options.dtype);
  return inWide(x, dtype, (h) => root(varianceOf(h, options), (square) => square.sqrt()));
}

/** `log(sum(exp(x)))` over dims, without overflow; rows of -Infinity give -Infinity, ints and bools count as f32. */
export function logsumexp(x: Tensor, options: ReduceOptions = {}): Tensor {
  checkNames("logsumexp", options, REDUCE_OPTIONS, FOREIGN_DIM_OPTIONS);
  const dtype = floatDType("logsumexp", x, options.dtype ?? (isFloat(x.dtype) ? undefined : "f32"));
  const { dim, keepdim } = options;
  return inWide(x, dtype, (h) => {
    const top = noGrad(() => {
      const max = amax(h, { dim, keepdim: true });
      return max.maskedFill(max.isfinite().logicalNot(), 0);
    });
    const kept = h.sub(top).exp().sum({ dim, keepdim: true }).log().add(top);
    return keepdim === true ? kept : kept.reshape(sum(h.detach(), { dim }).shape);
  });
}

/** A root that is 0 at 0 with a gradient of 0 there, where the root itself has none. */
function root(sum: Tensor, take: (sum: Tensor) => Tensor): Tensor {
  const zero = sum.eq(0);
  return where(zero, 0, take(sum.maskedFill(zero, 1)));
}

/** Settings of `vectorNorm`. */
export interface VectorNormOptions extends ReduceOptions {
  /** The order: 2 when left out; `Infinity`, `-Infinity` and 0 mean what they do in PyTorch. */
  readonly p?: number | undefined;
}

const VECTOR_NORM_OPTIONS = { ...REDUCE_OPTIONS, p: true } as const satisfies Record<keyof VectorNormOptions, true>;

/**
 * The p-norm over dims (`torch.linalg.vector_norm`).
 *
 * @throws {DTypeError} when x is not of floats and no dtype of floats is asked for
 */
export function vectorNorm(x: Tensor, options: VectorNormOptions = {}): Tensor {
  checkNames("vectorNorm", options, VECTOR_NORM_OPTIONS, FOREIGN_DIM_OPTIONS);
  const { p = 2, dim, keepdim } = options;
  const over = { dim, keepdim };
  return inWide(x, floatDType("vectorNorm", x, options.dtype), (h) => {
    if (p === Infinity) return h.abs().amax(over);
    if (p === -Infinity) return h.abs().amin(over);
    if (p === 0) return h.ne(0).to(h.dtype).sum(over);
    if (p === 1) return h.abs().sum(over);
    if (p === 2) return root(h.square().sum(over), (sum) => sum.sqrt());
    return root(h.abs().pow(p).sum(over), (sum) => sum.pow(1 / p));
  });
}

/** `torch.max` and `torch.min`: of all elements, or along a dim with indices. */
export interface Extreme {
  /** Of all elements, `[]`; equal ones share the gradient. @throws {ShapeError} when there are none */
  (x: Tensor): Tensor;
  /** Along a dim, and the index (i32) of the first of each. @throws {ShapeError} over no elements */
  (x: Tensor, dim: number, keepdim?: boolean): SortResult;
}

function extreme(
  ofAll: (x: Tensor) => Tensor,
  index: (x: Tensor, options: { dim: number; keepdim: boolean }) => Tensor,
): Extreme {
  function of(x: Tensor): Tensor;
  function of(x: Tensor, dim: number, keepdim?: boolean): SortResult;
  function of(x: Tensor, dim?: number, keepdim = false): Tensor | SortResult {
    if (dim === undefined) return ofAll(x);
    return tidy(() => {
      if (x.rank === 0) return { values: x.clone(), indices: index(x, { dim, keepdim }) };
      const kept = index(x.detach(), { dim, keepdim: true });
      const values = gather(x, dim, kept);
      return keepdim ? { values, indices: kept } : { values: values.squeeze(dim), indices: kept.squeeze(dim) };
    });
  }
  return of;
}

/** The largest element, or those along a dim with their indices. */
export const max: Extreme = extreme(amax, argmax);
/** The smallest element, or those along a dim with their indices. */
export const min: Extreme = extreme(amin, argmin);

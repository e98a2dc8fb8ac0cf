/**
 * Reductions over dims: all of them when none are named. `sum` and `prod` of ints and bools give i32, extremes keep the
 * dtype, `argmax argmin` give i32 and the first of equal extremes, `any all` give bool. NaN wins in extremes.
 */
import type { ReduceOp } from "../../backend.ts";
import { call } from "../../dispatch.ts";
import { type DType, dtypeInfo, isFloat } from "../../dtype.ts";
import { checkNames, DTypeError, ShapeError, showShape } from "../../errors.ts";
import { record } from "../../grad/node.ts";
import { tidy } from "../../memory.ts";
import { normalizeDims, sameShape, type Shape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { FOREIGN_DIM_OPTIONS } from "../option_names.ts";
import { filled } from "./fill.ts";
import { fit } from "./binary.ts";
import { alias } from "./copy.ts";
import { expand } from "../views/expand.ts";
import { permute } from "../views/permute.ts";
import { reshape } from "../views/reshape.ts";

/** Which dims a reduction goes over, and whether they stay as size 1. */
export interface ReduceOptions {
  /** Dims from either end; all when left out. */
  readonly dim?: number | readonly number[] | undefined;
  /** Keep reduced dims as size 1. */
  readonly keepdim?: boolean | undefined;
  /** The result's dtype, which x is converted to first: for sums, products and what is made of them. */
  readonly dtype?: DType | undefined;
}

const ARG_OPTIONS = { dim: true, keepdim: true } as const satisfies Record<keyof ArgOptions, true>;
const REDUCE_OPTIONS = { ...ARG_OPTIONS, dtype: true } as const satisfies Record<keyof ReduceOptions, true>;

const IDENTITY: Partial<Record<ReduceOp, number>> = { sum: 0, prod: 1, any: 0, all: 1 };

function outputDType(op: ReduceOp, dtype: DType): DType {
  if (op === "any" || op === "all") return "bool";
  if (op === "argmax" || op === "argmin") return "i32";
  if ((op === "sum" || op === "prod") && !isFloat(dtype)) return "i32";
  return dtype;
}

/** The shape with reduced dims at size 1. */
function keptShape(shape: Shape, dims: readonly number[]): number[] {
  return shape.map((size, i) => dims.includes(i) ? 1 : size);
}

function reduce(op: ReduceOp, x: Tensor, options: ReduceOptions): { out: Tensor; dims: number[] } {
  const known = op === "argmax" || op === "argmin" ? ARG_OPTIONS : REDUCE_OPTIONS;
  checkNames(op, options, known, FOREIGN_DIM_OPTIONS);
  const dims = normalizeDims(op, options.dim, x.shape);
  if (dtypeInfo(x.dtype).kind === "block") {
    throw new DTypeError(`Cannot ${op} ${x.dtype} ${showShape(x.shape)}: convert with to("f32") first`);
  }
  const dtype = options.dtype ?? outputDType(op, x.dtype);
  const kept = x.shape.map((_, i) => i).filter((i) => !dims.includes(i));
  const shape = options.keepdim === true ? keptShape(x.shape, dims) : kept.map((i) => x.shape[i]!);
  const identity = IDENTITY[op];
  if (dims.some((d) => x.shape[d] === 0)) {
    if (identity === undefined) {
      throw new ShapeError(
        `Cannot ${op} ${showShape(x.shape)} over dims [${dims.join(", ")}]: no elements have no extreme`,
      );
    }
    return { out: filled(x.backend, shape, dtype, identity), dims };
  }
  const out = tidy(() => {
    const ordered = permute(fit(op, x, options.dtype ?? x.dtype, x.shape), [...kept, ...dims]);
    return reshape(call("reduce", [ordered], kept.map((i) => x.shape[i]!), dtype, { op, dims: dims.length }), shape);
  });
  return { out, dims };
}

/** Spreads a gradient, or a result, back over the reduced dims. */
function spread(value: Tensor, shape: Shape, dims: readonly number[]): Tensor {
  return expand(reshape(value, keptShape(shape, dims)), shape);
}

/**
 * The sum of elements, of ints and bools in i32, which wraps beyond 2^31 without a word: ask for `{ dtype: "f32" }`, or
 * convert to f64 where the backend has it and each unit counts.
 */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  const { out, dims } = reduce("sum", x, options);
  const { shape } = x;
  return record("sum", out, [x], [(grad) => spread(grad, shape, dims)]);
}

/**
 * The product of elements; its gradient is right with zeros too, one element at a time being left out. Products of ints
 * and bools are in i32 and wrap as `sum` does.
 */
export function prod(x: Tensor, options: ReduceOptions = {}): Tensor {
  const { out, dims } = reduce("prod", x, options);
  return record("prod", out, [x], [(grad, [saved]) => prodGradient(grad, saved!, dims)], [x]);
}

/** Products of all others = product of those before times product of those after. */
function prodGradient(grad: Tensor, x: Tensor, dims: readonly number[]): Tensor {
  const kept = x.shape.map((_, i) => i).filter((i) => !dims.includes(i));
  const order = [...kept, ...dims];
  const ordered = permute(x, order);
  const rows = reshape(ordered, [-1, dims.reduce((n, d) => n * x.shape[d]!, 1)]);
  const n = rows.shape[1]!;
  const one = filled(x.backend, [rows.shape[0]!, 1], x.dtype, 1);
  const before = one.cat([rows.narrow(1, 0, n - 1)], 1).cumprod(1);
  const reversed = rows.flip(1);
  const after = one.cat([reversed.narrow(1, 0, n - 1)], 1).cumprod(1).flip(1);
  const inverse = order.map((_, i) => order.indexOf(i));
  const others = permute(reshape(before.mul(after), ordered.shape), inverse);
  return others.mul(spread(grad, x.shape, dims));
}

function extreme(op: "max" | "min", x: Tensor, options: ReduceOptions): Tensor {
  const { out, dims } = reduce(op, x, options);
  return record(op, out, [x], [(grad, [saved, result]) => {
    const hits = saved!.eq(spread(result!, saved!.shape, dims)).to(grad.dtype);
    const count = sum(hits, { dim: dims, keepdim: true });
    return hits.div(count).mul(spread(grad, saved!.shape, dims)); // equal extremes share, as in PyTorch's amax
  }], [x, out]);
}

/** The largest element; equal ones share the gradient. @throws {ShapeError} over no elements */
export function amax(x: Tensor, options: ReduceOptions = {}): Tensor {
  return extreme("max", x, options);
}

/** The smallest element; equal ones share the gradient. @throws {ShapeError} over no elements */
export function amin(x: Tensor, options: ReduceOptions = {}): Tensor {
  return extreme("min", x, options);
}

/** One dim, or undefined for all elements in row-major order. */
export interface ArgOptions {
  /** The dim; all elements when left out. */
  readonly dim?: number | undefined;
  /** Keep the dim as size 1. */
  readonly keepdim?: boolean | undefined;
}

/** Index (i32) of the first largest element. @throws {ShapeError} over no elements */
export function argmax(x: Tensor, options: ArgOptions = {}): Tensor {
  return reduce("argmax", x, options).out;
}

/** Index (i32) of the first smallest element. @throws {ShapeError} over no elements */
export function argmin(x: Tensor, options: ArgOptions = {}): Tensor {
  return reduce("argmin", x, options).out;
}

/** Whether some element is not 0. */
export function any(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce("any", x, options).out;
}

/** Whether no element is 0. */
export function all(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce("all", x, options).out;
}

/** Sums x down to a shape that broadcasts to x's: what undoes broadcasting. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return alias(x);
  const lead = x.rank - shape.length;
  const dims = x.shape.map((_, i) => i).filter((i) => i < lead || (shape[i - lead] === 1 && x.shape[i] !== 1));
  return tidy(() => reshape(sum(x, { dim: dims, keepdim: true }), shape));
}

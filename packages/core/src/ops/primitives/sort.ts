/** Sorting along a dim: stable, NaN last in ascending order, with the indices that sort. */
import { allocate, callFresh } from "../../dispatch.ts";
import { dtypeInfo } from "../../dtype.ts";
import { checkNames, DTypeError, ShapeError, showShape } from "../../errors.ts";
import { record } from "../../grad/node.ts";
import { normalizeDim } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { FOREIGN_DIM_OPTIONS } from "../option_names.ts";
import { narrow } from "../views/slice.ts";
import { clone } from "./copy.ts";
import { filled } from "./fill.ts";
import { scatterAdd } from "./scatter.ts";

/** Values and where they were along the dim. */
export interface SortResult {
  /** Of x's dtype. */
  readonly values: Tensor;
  /** i32. */
  readonly indices: Tensor;
}

/** How to sort. */
export interface SortOptions {
  /** The dim; the last when left out. */
  readonly dim?: number | undefined;
  /** Largest first. */
  readonly descending?: boolean | undefined;
}

const SORT_OPTIONS = { dim: true, descending: true } as const satisfies Record<keyof SortOptions, true>;

/** Sorted values and their indices; equal ones keep their order. @throws {ShapeError} when dim is out of range */
export function sort(x: Tensor, options: SortOptions = {}): SortResult {
  checkNames("sort", options, SORT_OPTIONS, FOREIGN_DIM_OPTIONS);
  x.checkAlive("sort");
  const dim = normalizeDim("sort", options.dim ?? -1, x.shape);
  if (dtypeInfo(x.dtype).kind === "block") {
    throw new DTypeError(`Cannot sort ${x.dtype} ${showShape(x.shape)}: convert with to("f32") first`);
  }
  if (x.rank === 0) return { values: clone(x), indices: filled(x.backend, [], "i32", 0) };
  const values = allocate(x.backend, x.shape, x.dtype);
  const indices = allocate(x.backend, x.shape, "i32");
  callFresh("sort", [x], [values, indices], { dim, descending: options.descending ?? false });
  return { values: withGradient("sort", values, indices, x, dim), indices };
}

/** The indices that sort (`torch.argsort`, stable). */
export function argsort(x: Tensor, options: SortOptions = {}): Tensor {
  checkNames("argsort", options, SORT_OPTIONS, FOREIGN_DIM_OPTIONS);
  using plain = x.detach();
  const { values, indices } = sort(plain, options);
  values.dispose();
  return indices;
}

/** What `topk` and `max` with a dim need. */
export interface TopkOptions {
  /** The dim; the last when left out. */
  readonly dim?: number | undefined;
  /** Largest when true or left out, else smallest. */
  readonly largest?: boolean | undefined;
}

const TOPK_OPTIONS = { dim: true, largest: true } as const satisfies Record<keyof TopkOptions, true>;

/**
 * The k largest (or smallest) elements of a dim, in order.
 *
 * @throws {ShapeError} when k is not within the dim
 */
export function topk(x: Tensor, k: number, options: TopkOptions = {}): SortResult {
  checkNames("topk", options, TOPK_OPTIONS, FOREIGN_DIM_OPTIONS);
  const dim = normalizeDim("topk", options.dim ?? -1, x.shape);
  const size = x.shape[dim] ?? 1;
  if (!Number.isInteger(k) || k < 0 || k > size) {
    throw new ShapeError(`Cannot topk ${showShape(x.shape)} at dim ${dim} with k = ${k}: the dim has ${size}`);
  }
  using plain = x.detach();
  const sorted = sort(plain, { dim, descending: options.largest ?? true });
  if (x.rank === 0) return sorted;
  using allValues = sorted.values;
  using allIndices = sorted.indices;
  using someValues = narrow(allValues, dim, 0, k);
  using someIndices = narrow(allIndices, dim, 0, k);
  const indices = clone(someIndices);
  return { values: withGradient("topk", clone(someValues), indices, x, dim), indices };
}

function withGradient(op: string, values: Tensor, indices: Tensor, x: Tensor, dim: number): Tensor {
  const { shape } = x;
  return record(op, values, [x], [
    (grad, [ids]) => scatterAdd(filled(grad.backend, shape, grad.dtype, 0), dim, ids!, grad),
  ], [indices]);
}

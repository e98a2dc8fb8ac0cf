/**
 * Reading elements by index: one kernel serves `gather`, `indexSelect` and `embedding`, the latter two with an index
 * expanded (stride 0) over the dims it does not depend on, which kernels read as whole rows.
 */
import { call, checkTensor } from "../../dispatch.ts";
import { isBlock } from "../../dtype.ts";
import { DTypeError, ShapeError, showShape } from "../../errors.ts";
import { record } from "../../grad/node.ts";
import { tidy } from "../../memory.ts";
import { normalizeDim, type Shape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { expand } from "../views/expand.ts";
import { reshape } from "../views/reshape.ts";
import { cast } from "./copy.ts";
import { filled } from "./fill.ts";
import { scatterAdd } from "./scatter.ts";

/**
 * @ignore Checks that an index is of ints.
 * @throws {DTypeError}
 */
export function checkIndex(op: string, index: Tensor): void {
  checkTensor(() => `${op} by an index`, index);
  index.checkAlive(op);
  if (index.dtype === "i32" || index.dtype === "u8") return;
  throw new DTypeError(
    `Cannot ${op} with an index ${index.dtype} ${showShape(index.shape)}: indices are i32; use to("i32")`,
  );
}

/**
 * `out[i0, …] = x[…, index[i0, …], …]`, the index put in at `dim` (`torch.gather`).
 *
 * @param index i32, of x's rank; no size but dim's may be larger than x's
 * @returns the index's shape; blocks give f32
 * @throws {ShapeError} when ranks or sizes do not fit, or an index is out of range
 * @throws {DTypeError} when the index is not of ints
 */
export function gather(x: Tensor, dim: number, index: Tensor): Tensor {
  return gatherFor("gather", x, dim, index);
}

/** @ignore {@linkcode gather} for an op that messages name. */
export function gatherFor(op: string, x: Tensor, dim: number, index: Tensor): Tensor {
  x.checkAlive(op);
  checkIndex(op, index);
  const at = normalizeDim(op, dim, x.shape);
  if (x.rank !== index.rank || x.shape.some((size, i) => i !== at && index.shape[i]! > size)) {
    throw new ShapeError(
      `Cannot ${op} ${showShape(x.shape)} at dim ${dim} by an index ${showShape(index.shape)}: ` +
        `ranks must agree, and only dim ${dim} of the index may be larger`,
    );
  }
  if (x.rank === 0) return tidy(() => gatherFor(op, reshape(x, [1]), 0, reshape(index, [1])).reshape([]));
  if (index.numel > 0 && x.shape[at] === 0) {
    throw new ShapeError(`Cannot ${op} ${showShape(x.shape)} at dim ${dim}: it has no elements there`);
  }
  using index32 = cast(index, "i32");
  const out = call("gather", [x, index32], index.shape, isBlock(x.dtype) ? "f32" : x.dtype, { dim: at, op });
  const { shape } = x;
  return record(op, out, [x], [
    (grad, [ids]) => scatterAdd(filled(grad.backend, shape, grad.dtype, 0), at, ids!, grad),
  ], [index32]);
}

/**
 * Whole slices of one dim by a list of indices (`torch.index_select`).
 *
 * @param index i32 `[n]`
 * @throws {ShapeError} when the index is no list, or an entry is out of range
 */
export function indexSelect(x: Tensor, dim: number, index: Tensor): Tensor {
  const at = normalizeDim("indexSelect", dim, x.shape);
  if (index.rank !== 1) {
    throw new ShapeError(
      `Cannot indexSelect ${showShape(x.shape)} by an index ${showShape(index.shape)}: the index must be a list`,
    );
  }
  return selectFor("indexSelect", x, at, index);
}

function selectFor(op: string, x: Tensor, dim: number, index: Tensor): Tensor {
  return tidy(() => gatherFor(op, x, dim, spreadIndex(index, x.shape, dim)));
}

/** A list of indices as an index of full rank: size n at `dim`, repeated (stride 0) along the others. */
export function spreadIndex(index: Tensor, shape: Shape, dim: number): Tensor {
  const column = shape.map((_, i) => i === dim ? index.numel : 1);
  return tidy(() => expand(reshape(index, column), shape.with(dim, index.numel)));
}

/**
 * Rows of a table (`torch.nn.functional.embedding`).
 *
 * @param weight `[V, E]`, of any dtype; blocks give f32
 * @param ids i32 of any shape
 * @returns `[…ids.shape, E]`
 * @throws {ShapeError} when the weight is no matrix, or an id is outside `[0, V)`
 */
export function embedding(weight: Tensor, ids: Tensor): Tensor {
  checkIndex("embedding", ids);
  if (weight.rank !== 2) throw new ShapeError(`Cannot embedding ${showShape(weight.shape)}: the table must be [V, E]`);
  return tidy(() => {
    const rows = selectFor("embedding", weight, 0, reshape(ids, [ids.numel]));
    return reshape(rows, [...ids.shape, weight.shape[1]!]);
  });
}

/** Views that reorder dims. No bytes are touched; the gradient is reordered back. */
import { ShapeError, showShape } from "../../errors.ts";
import { record } from "../../grad/node.ts";
import { Layout } from "../../layout.ts";
import { checkIsList, normalizeDim } from "../../shape.ts";
import { Tensor } from "../../tensor.ts";

function reordered(x: Tensor, dims: readonly number[]): Tensor {
  const layout = new Layout(dims.map((d) => x.shape[d]!), dims.map((d) => x.strides[d]!), x.offset);
  const out = new Tensor(x.storage, layout);
  if (!x.requiresGrad) return out;
  const inverse = new Array<number>(dims.length);
  dims.forEach((d, i) => inverse[d] = i);
  return record("permute", out, [x], [(grad) => reordered(grad, inverse)]);
}

/**
 * Dims in another order: dim i of the result is dim `dims[i]` of x.
 *
 * @throws {ShapeError} unless each dim is there exactly once
 */
export function permute(x: Tensor, dims: readonly number[]): Tensor {
  x.checkAlive("permute");
  checkIsList("permute", dims, x.shape, "by");
  const order = dims.map((d) => normalizeDim("permute", d, x.shape));
  if (dims.length !== x.rank || new Set(order).size !== order.length) {
    throw new ShapeError(
      `Cannot permute ${showShape(x.shape)} by [${dims.join(", ")}]: each of its ${x.rank} dims must be there once`,
    );
  }
  return reordered(x, order);
}

/** Swaps two dims. @throws {ShapeError} when one is out of range */
export function transpose(x: Tensor, dim0: number, dim1: number): Tensor {
  x.checkAlive("transpose");
  const [a, b] = [normalizeDim("transpose", dim0, x.shape), normalizeDim("transpose", dim1, x.shape)];
  const order = x.shape.map((_, i) => i === a ? b : i === b ? a : i);
  return reordered(x, order);
}

/** Swaps the two dims of a matrix (`tensor.t()`). @throws {ShapeError} beyond 2 dims */
export function t(x: Tensor): Tensor {
  if (x.rank > 2) {
    throw new ShapeError(`Cannot t ${showShape(x.shape)}: it takes at most 2 dims; use transpose(dim0, dim1)`);
  }
  return x.rank < 2 ? permute(x, x.shape.map((_, i) => i)) : transpose(x, 0, 1);
}

/** Moves one dim to another place, keeping the order of the rest. @throws {ShapeError} when out of range */
export function movedim(x: Tensor, from: number, to: number): Tensor {
  const source = normalizeDim("movedim", from, x.shape);
  const target = normalizeDim("movedim", to, x.shape);
  const order = x.shape.map((_, i) => i).filter((i) => i !== source);
  order.splice(target, 0, ...(x.rank === 0 ? [] : [source]));
  return permute(x, order);
}

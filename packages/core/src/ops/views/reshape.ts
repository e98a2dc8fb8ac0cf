/** Other shapes for the same elements in the same order: `view` never copies, `reshape` only when it must. */
import { isBlock } from "../../dtype.ts";
import { ShapeError, showShape } from "../../errors.ts";
import { record } from "../../grad/node.ts";
import { Layout, viewStrides } from "../../layout.ts";
import { checkIsList, normalizeDim, numelOf, type Shape } from "../../shape.ts";
import { Tensor } from "../../tensor.ts";
import { clone } from "../primitives/copy.ts";
import { checkBlocks } from "./blocks.ts";

/** Fills in the one size given as -1. */
function inferShape(op: string, shape: Shape, x: Tensor): number[] {
  checkIsList(op, shape, x.shape, "as");
  const refuse = (why: string) => new ShapeError(`Cannot ${op} ${showShape(x.shape)} as ${showShape(shape)}: ${why}`);
  const sizes = [...shape];
  let unknown = -1;
  let known = 1;
  for (let i = 0; i < sizes.length; i++) {
    const size = sizes[i]!;
    if (!Number.isInteger(size) || size < -1 || (size === -1 && unknown >= 0)) {
      throw refuse("sizes are whole numbers >= 0, and one may be -1");
    }
    if (size === -1) unknown = i;
    else known *= size;
  }
  if (unknown < 0 && known === x.numel) return sizes;
  const inferred = x.numel / known;
  if (unknown < 0 || !Number.isInteger(inferred)) {
    throw refuse(
      known === 0 && unknown >= 0 ? "beside a size of 0, -1 could be anything" : `it has ${x.numel} elements`,
    );
  }
  sizes[unknown] = inferred;
  return sizes;
}

function withStrides(x: Tensor, shape: Shape, strides: readonly number[]): Tensor {
  const layout = new Layout(shape, strides, x.offset);
  checkBlocks("view", x, layout);
  const out = new Tensor(x.storage, layout);
  if (!x.requiresGrad) return out;
  const before = x.shape;
  return record("view", out, [x], [(grad) => reshape(grad, before)]);
}

/**
 * The same elements under another shape, sharing storage; one size may be -1.
 *
 * @throws {ShapeError} when the number of elements differs, or the strides cannot express it without a copy
 * @throws {DTypeError} when it would cut the blocks of a block dtype
 */
export function view(x: Tensor, shape: Shape): Tensor {
  x.checkAlive("view");
  const sizes = inferShape("view", shape, x);
  const strides = viewStrides(x.layout, sizes);
  if (strides !== undefined) return withStrides(x, sizes, strides);
  throw new ShapeError(
    `Cannot view ${showShape(x.shape)} with strides ${showShape(x.strides)} as ${showShape(shape)}: ` +
      `its elements do not lie so; use reshape, which copies`,
  );
}

/**
 * The same elements under another shape: a view where strides allow, else a copy.
 *
 * @throws {ShapeError} when the number of elements differs
 * @throws {DTypeError} when it would cut the blocks of a block dtype
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  x.checkAlive("reshape");
  const sizes = inferShape("reshape", shape, x);
  const strides = viewStrides(x.layout, sizes);
  if (strides !== undefined) return withStrides(x, sizes, strides);
  if (isBlock(x.dtype)) return view(x, shape);
  using copy = clone(x);
  return withStrides(copy, sizes, viewStrides(copy.layout, sizes)!); // a contiguous copy takes any shape
}

/** Merges dims `start` to `end`, both included. @throws {ShapeError} when out of range or reversed */
export function flatten(x: Tensor, start = 0, end = -1): Tensor {
  const first = normalizeDim("flatten", start, x.shape);
  const last = normalizeDim("flatten", end, x.shape);
  if (first > last) {
    throw new ShapeError(
      `Cannot flatten ${showShape(x.shape)} from dim ${start} to ${end}: the first comes after the last`,
    );
  }
  if (x.rank === 0) return reshape(x, [1]);
  const merged = numelOf(x.shape.slice(first, last + 1));
  return reshape(x, [...x.shape.slice(0, first), merged, ...x.shape.slice(last + 1)]);
}

/** Splits one dim into several; one size may be -1. @throws {ShapeError} when they do not multiply up to it */
export function unflatten(x: Tensor, dim: number, sizes: Shape): Tensor {
  const at = normalizeDim("unflatten", dim, x.shape);
  checkIsList("unflatten", sizes, x.shape, "into");
  const rest = numelOf(sizes.filter((size) => size !== -1));
  const whole = sizes.map((size) => size === -1 ? x.shape[at]! / rest : size);
  if (numelOf(whole) !== x.shape[at] || whole.some((size) => !Number.isInteger(size) || size < 0)) {
    throw new ShapeError(
      `Cannot unflatten ${showShape(x.shape)} at dim ${dim} into ${showShape(sizes)}: they do not multiply up to ${
        x.shape[at]
      }`,
    );
  }
  return view(x, [...x.shape.slice(0, at), ...whole, ...x.shape.slice(at + 1)]);
}

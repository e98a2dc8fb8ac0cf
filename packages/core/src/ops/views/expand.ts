/** Views that repeat, add or drop dims of size 1. No bytes are touched. */
import { ShapeError, showShape } from "../../errors.ts";
import { record } from "../../grad/node.ts";
import { Layout } from "../../layout.ts";
import { checkIsList, listOf, normalizeDim, sameShape, type Shape } from "../../shape.ts";
import { Tensor } from "../../tensor.ts";
import { alias } from "../primitives/copy.ts";

/**
 * Repeats dims of size 1 (stride 0), and puts dims in front; -1 keeps a size.
 *
 * @throws {ShapeError} when a size that is not 1 would change
 */
export function expand(x: Tensor, shape: Shape): Tensor {
  checkIsList("expand", shape, x.shape, "to");
  if (sameShape(x.shape, shape)) return alias(x);
  x.checkAlive("expand");
  const out = new Tensor(x.storage, expandedLayout(x.layout, shape));
  return record("expand", out, [x], [alias]); // the walk sums what was repeated
}

/**
 * @ignore The layout that `expand` gives.
 * @throws {ShapeError} when a size that is not 1 would change, or a dim would go
 */
export function expandedLayout(layout: Layout, shape: Shape): Layout {
  const lead = shape.length - layout.shape.length;
  const refuse = (why: string) =>
    new ShapeError(`Cannot expand ${showShape(layout.shape)} to ${showShape(shape)}: ${why}`);
  if (lead < 0) throw refuse("no dim may go");
  const sizes: number[] = [];
  const strides: number[] = [];
  for (let i = 0; i < shape.length; i++) {
    const have = i < lead ? undefined : layout.shape[i - lead];
    const size = shape[i] === -1 && have !== undefined ? have : shape[i]!;
    if (size < 0) throw refuse("a new dim needs a size >= 0");
    if (have !== undefined && have !== size && have !== 1) throw refuse(`size ${have} at dim ${i - lead} is not 1`);
    sizes.push(size);
    strides.push(have === size ? layout.strides[i - lead]! : 0);
  }
  return new Layout(sizes, strides, layout.offset);
}

/** Puts in a dim of size 1 so that it becomes dim `dim`. @throws {ShapeError} when out of range */
export function unsqueeze(x: Tensor, dim: number): Tensor {
  x.checkAlive("unsqueeze");
  const at = normalizeDim("unsqueeze", dim, x.shape, x.rank + 1);
  const stride = at < x.rank ? x.shape[at]! * x.strides[at]! : 1;
  const layout = new Layout(x.shape.toSpliced(at, 0, 1), x.strides.toSpliced(at, 0, stride), x.offset);
  return record("unsqueeze", new Tensor(x.storage, layout), [x], [(grad) => squeeze(grad, at)]);
}

/**
 * Drops dims of size 1: all, or those given; a given dim of another size stays, as in PyTorch.
 *
 * @throws {ShapeError} when a dim is out of range
 */
export function squeeze(x: Tensor, dim?: number | readonly number[]): Tensor {
  x.checkAlive("squeeze");
  const given = dim === undefined ? undefined : new Set(listOf(dim).map((d) => normalizeDim("squeeze", d, x.shape)));
  const kept = x.shape.map((_, i) => i).filter((i) => x.shape[i] !== 1 || (given !== undefined && !given.has(i)));
  const layout = new Layout(kept.map((i) => x.shape[i]!), kept.map((i) => x.strides[i]!), x.offset);
  const { shape } = x;
  return record("squeeze", new Tensor(x.storage, layout), [x], [(grad) => grad.reshape(shape)]);
}

/** Ops whose shape depends on data: asynchronous everywhere, since only reading tells how much there is. */
import { tensor } from "../create.ts";
import { DTypeError, ShapeError, showShape } from "../errors.ts";
import { broadcastShapes, numelOf, type Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { indexSelect } from "./primitives/gather.ts";
import { expand } from "./views/expand.ts";
import { reshape } from "./views/reshape.ts";

/** Row-major indices of the elements that are not 0. */
async function positions(x: Tensor): Promise<number[]> {
  const data = await x.data();
  const found: number[] = [];
  for (let i = 0; i < data.length; i++) if (data[i] !== 0) found.push(i);
  return found;
}

/** Indices (i32 `[n, rank]`) of the elements that are not 0, in row-major order (`torch.nonzero`). */
export async function nonzero(x: Tensor): Promise<Tensor> {
  const found = await positions(x);
  const rows = found.flatMap((flat) => unravel(flat, x.shape));
  return tensor(Int32Array.from(rows), { shape: [found.length, x.rank], backend: x.backend });
}

function unravel(flat: number, shape: Shape): number[] {
  const index = new Array<number>(shape.length);
  for (let i = shape.length - 1; i >= 0; i--) {
    index[i] = flat % shape[i]!;
    flat = Math.floor(flat / shape[i]!);
  }
  return index;
}

/**
 * Elements where the mask is true, as a list (`torch.masked_select`).
 *
 * @param mask bool, broadcasts with x
 * @throws {DTypeError} when mask is not bool
 */
export async function maskedSelect(x: Tensor, mask: Tensor): Promise<Tensor> {
  if (mask.dtype !== "bool") {
    throw new DTypeError(`Cannot maskedSelect with ${mask.dtype} ${showShape(mask.shape)}: the mask must be bool`);
  }
  const shape = broadcastShapes("maskedSelect", x.shape, mask.shape);
  if (numelOf(shape) > 2 ** 31) throw new ShapeError(`Cannot maskedSelect ${showShape(shape)}: indices are i32`);
  using wideMask = expand(mask, shape);
  using wide = expand(x, shape);
  using flat = reshape(wide, [-1]);
  using index = tensor(Int32Array.from(await positions(wideMask)), { backend: x.backend });
  return indexSelect(flat, 0, index);
}

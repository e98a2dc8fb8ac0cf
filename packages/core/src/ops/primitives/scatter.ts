/** Writing elements by index, added up or replaced; deterministic: writes happen in row-major order of the index. */
import { call, callInto, commonBackend } from "../../dispatch.ts";
import { ShapeError, showShape } from "../../errors.ts";
import { record } from "../../grad/node.ts";
import { normalizeDim } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { cast } from "./copy.ts";
import { checkIndex, gather, spreadIndex } from "./gather.ts";
import { reshape } from "../views/reshape.ts";
import { narrow } from "../views/slice.ts";
import { where } from "./where.ts";
import { filled } from "./fill.ts";

type Mode = "add" | "set";

function scatterInto(op: string, mode: Mode, x: Tensor, dim: number, index: Tensor, source: Tensor): Tensor {
  checkIndex(op, index);
  const at = normalizeDim(op, dim, x.shape);
  const fits = x.rank === index.rank && x.rank === source.rank &&
    index.shape.every((size, i) => size <= source.shape[i]! && (i === at || size <= x.shape[i]!));
  if (!fits || source.dtype !== x.dtype) {
    throw new ShapeError(
      `Cannot ${op} ${source.dtype} ${showShape(source.shape)} into ${x.dtype} ${
        showShape(x.shape)
      } at dim ${dim} by an index ` +
        `${showShape(index.shape)}: dtypes and ranks must agree, and the index lies within both`,
    );
  }
  commonBackend(op, [x, index, source]);
  if (index.numel === 0) return call("copy", [x], x.shape, x.dtype, {});
  using used = overIndex(source, index);
  using index32 = cast(index, "i32");
  using flatIndex = x.rank === 0 ? reshape(index32, [1]) : index32.detach();
  const out = call("copy", [x], x.shape, x.dtype, {});
  using target = x.rank === 0 ? reshape(out, [1]) : out.detach();
  try {
    callInto("scatter", [flatIndex, used], [target], { dim: at, op, mode });
  } catch (error) {
    out.dispose();
    throw error;
  }
  return out;
}

/** The part of the source that the index covers. */
function overIndex(source: Tensor, index: Tensor): Tensor {
  let part = source.detach();
  index.shape.forEach((size, i) => {
    using whole = part;
    part = narrow(whole, i, 0, size);
  });
  if (source.rank > 0) return part;
  using scalar = part;
  return reshape(scalar, [1]);
}

/**
 * A copy of x with `source[i0, …]` added at `[…, index[i0, …], …]` (`torch.scatter_add`).
 *
 * @param index i32, within source's shape, and x's but for `dim`
 * @throws {ShapeError} when shapes do not fit or an index is out of range
 */
export function scatterAdd(x: Tensor, dim: number, index: Tensor, source: Tensor): Tensor {
  return addFor("scatterAdd", x, dim, index, source);
}

function addFor(op: string, x: Tensor, dim: number, index: Tensor, source: Tensor): Tensor {
  return record(op, scatterInto(op, "add", x, dim, index, source), [x, source], [
    (grad) => grad.detach(),
    (grad, [ids]) => padTo(gather(grad, dim, ids!), source.shape),
  ], [index]);
}

/** A copy of x with `source[i0, …]` put at `[…, index[i0, …], …]`; of several at one place the last stays. */
export function scatter(x: Tensor, dim: number, index: Tensor, source: Tensor): Tensor {
  return record("scatter", scatterInto("scatter", "set", x, dim, index, source), [x, source], [
    (grad, [ids]) => scatterInto("scatter", "set", grad, dim, ids!, filled(grad.backend, ids!.shape, grad.dtype, 0)),
    (grad, [ids]) => padTo(lastWrites(grad, dim, ids!), source.shape),
  ], [index]);
}

/** The gradient at each written place, for the write that stayed; those written over get none. */
function lastWrites(grad: Tensor, dim: number, index: Tensor): Tensor {
  const order = filled(grad.backend, index.shape, "i32", 1, 1);
  const winner = scatterInto("scatter", "set", filled(grad.backend, grad.shape, "i32", 0), dim, index, order);
  return where(gather(winner, dim, index).eq(order), gather(grad, dim, index), 0);
}

/** Zeros beyond what the index covered. */
function padTo(x: Tensor, shape: readonly number[]): Tensor {
  return x.pad(shape.flatMap((_, i) => [0, shape[shape.length - 1 - i]! - x.shape[shape.length - 1 - i]!]));
}

/** A copy of x with slices of `source` added at `index[i]` of a dim (`torch.index_add`). @throws {ShapeError} */
export function indexAdd(x: Tensor, dim: number, index: Tensor, source: Tensor): Tensor {
  const at = normalizeDim("indexAdd", dim, x.shape);
  if (index.rank !== 1 || source.rank !== x.rank) {
    throw new ShapeError(
      `Cannot indexAdd ${showShape(source.shape)} into ${showShape(x.shape)} by an index ${showShape(index.shape)}: ` +
        `the index is a list, and the source has x's rank`,
    );
  }
  using wide = spreadIndex(index, source.shape, at);
  return addFor("indexAdd", x, at, wide, source);
}

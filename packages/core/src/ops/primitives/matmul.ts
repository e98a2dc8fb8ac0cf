/**
 * `matmul` with PyTorch's rank rules, over the batched kernel `[batch…, M, K] x [batch…, K, N] -> [batch…, M, N]`.
 *
 * | ranks | result |
 * | --- | --- |
 * | 1 · 1 | scalar |
 * | 2 · 2 | matrix |
 * | 1 · N, N · 1 | the vector gets a dim of 1, which goes again |
 * | N · M | leading dims broadcast |
 *
 * The right operand may be block-quantised; the result has the left one's dtype.
 */
import { call, checkTensor } from "../../dispatch.ts";
import { dtypeInfo } from "../../dtype.ts";
import { DTypeError, ShapeError, showShape } from "../../errors.ts";
import { record } from "../../grad/node.ts";
import { tidy } from "../../memory.ts";
import { broadcastShapes, numelOf, type Shape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { squeeze, unsqueeze } from "../views/expand.ts";
import { transpose } from "../views/permute.ts";
import { reshape } from "../views/reshape.ts";
import { fit } from "./binary.ts";
import { filled } from "./fill.ts";

/**
 * Matrix product.
 *
 * @param a `[…, M, K]`, or `[K]`
 * @param b `[…, K, N]`, or `[K]`; any storage dtype
 * @returns `[…, M, N]` in a's dtype
 * @throws {ShapeError} when inner dimensions differ, batch dims do not broadcast, or an operand is a scalar
 * @throws {DTypeError} when dtypes differ and b is no storage dtype of weights
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  check(a, b);
  if (a.rank === 1) return tidy(() => squeeze(matmul(unsqueeze(a, 0), b), b.rank === 1 ? 0 : -2));
  if (b.rank === 1) return tidy(() => squeeze(matmul(a, unsqueeze(b, 1)), -1));
  if (b.rank === 2 && a.rank > 2) return foldBatch(a, b);
  return product(a, b);
}

function check(a: Tensor, b: Tensor): void {
  checkTensor(() => `matmul ${showShape(a.shape)}`, b);
  const shapes = () => `${showShape(a.shape)} with ${showShape(b.shape)}`; // only errors write it out
  if (a.rank === 0 || b.rank === 0) throw new ShapeError(`Cannot matmul ${shapes()}: a scalar has no dims; use mul`);
  const [inner, other] = [a.shape.at(-1), b.shape.at(b.rank === 1 ? 0 : -2)];
  if (inner !== other) throw new ShapeError(`Cannot matmul ${shapes()}: inner dimensions ${inner} and ${other} differ`);
  if (a.rank > 2 && b.rank > 2) {
    broadcastShapes(() => `matmul ${shapes()} over batch dims`, a.shape.slice(0, -2), b.shape.slice(0, -2));
  }
  const kinds = [dtypeInfo(a.dtype).kind, dtypeInfo(b.dtype).kind];
  const weights = kinds[0] === "float" && (kinds[1] === "float" || kinds[1] === "block");
  if ((a.dtype !== b.dtype && !weights) || kinds[0] === "block") {
    throw new DTypeError(
      `Cannot matmul ${a.dtype} ${showShape(a.shape)} with ${b.dtype} ${showShape(b.shape)}: ` +
        (kinds[0] === "block" ? "only the right operand may be quantised" : "dtypes differ; convert one with to()"),
    );
  }
}

/** One matrix for all batches: the batch dims fold into M, so that b is read once. */
function foldBatch(a: Tensor, b: Tensor): Tensor {
  const batch = a.shape.slice(0, -1);
  return tidy(() => reshape(product(reshape(a, [numelOf(batch), a.shape.at(-1)!]), b), [...batch, b.shape[1]!]));
}

function product(a: Tensor, b: Tensor): Tensor {
  const batch = b.rank === 2 ? [] : broadcastShapes("matmul", a.shape.slice(0, -2), b.shape.slice(0, -2));
  const shape = [...batch, a.shape.at(-2)!, b.shape.at(-1)!];
  return record("matmul", run(a, b, batch, shape), [a, b], [
    (grad, [, right]) => matmul(grad, transpose(right!, -2, -1)),
    (grad, [left]) => matmul(transpose(left!, -2, -1), grad),
  ], a.requiresGrad || b.requiresGrad ? [a, b] : []);
}

function run(a: Tensor, b: Tensor, batch: Shape, shape: Shape): Tensor {
  if (a.shape.at(-1) === 0) return filled(a.backend, shape, a.dtype, 0); // an empty sum
  if (batch.length === 0) return call("matmul", [a, b], shape, a.dtype, {});
  const wide = (x: Tensor) => fit("matmul", x, x.dtype, [...batch, ...x.shape.slice(-2)]);
  return tidy(() => call("matmul", [wide(a), wide(b)], shape, a.dtype, {}));
}

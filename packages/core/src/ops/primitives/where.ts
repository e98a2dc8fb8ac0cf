/** Choosing between two tensors by a condition, and filling where a mask is true. */
import { call, checkTensor } from "../../dispatch.ts";
import { DTypeError, showShape } from "../../errors.ts";
import { record } from "../../grad/node.ts";
import { tidy } from "../../memory.ts";
import { broadcastShapes } from "../../shape.ts";
import type { Tensor, TensorLike } from "../../tensor.ts";
import { expand } from "../views/expand.ts";
import { fit, resultType, scalarLike } from "./binary.ts";
import { filled } from "./fill.ts";

/**
 * `condition ? a : b`, all three broadcast. What is not chosen has no influence, not even as NaN, and no gradient.
 *
 * @param condition bool
 * @throws {DTypeError} when condition is not bool
 * @throws {ShapeError} when the three do not broadcast
 */
export function where(condition: Tensor, a: TensorLike, b: TensorLike): Tensor {
  checkTensor(() => "where", condition);
  if (condition.dtype !== "bool") {
    throw new DTypeError(
      `Cannot where ${condition.dtype} ${showShape(condition.shape)}: the condition must be bool; use ne(0)`,
    );
  }
  if (typeof a === "number") {
    return tidy(() => where(condition, scalarLike(a, typeof b === "number" ? condition : b), b));
  }
  if (typeof b === "number") return tidy(() => where(condition, a, scalarLike(b, a)));
  for (const x of [a, b]) checkTensor(() => `where ${showShape(condition.shape)}`, x, "a number or a Tensor");
  const shape = broadcastShapes("where", condition.shape, a.shape, b.shape);
  const dtype = resultType(a, b);
  const out = tidy(() => {
    const operands = [expand(condition, shape), fit("where", a, dtype, shape), fit("where", b, dtype, shape)];
    return call("where", operands, shape, dtype, {});
  });
  return record("where", out, [a, b], [
    (grad, [c]) => where(c!, grad, 0),
    (grad, [c]) => where(c!, 0, grad),
  ], [condition]);
}

/**
 * A copy with `value` where the mask is true (`torch.masked_fill`).
 *
 * @param mask bool, broadcasts to x
 * @throws {DTypeError} when mask is not bool
 * @throws {ShapeError} when the mask does not broadcast to x
 */
export function maskedFill(x: Tensor, mask: Tensor, value: number): Tensor {
  if (mask.dtype !== "bool") {
    throw new DTypeError(
      `Cannot maskedFill with ${mask.dtype} ${showShape(mask.shape)}: the mask must be bool; use ne(0)`,
    );
  }
  return tidy(() => where(expand(mask, x.shape), filled(x.backend, [], x.dtype, value), x));
}

/**
 * Elementwise functions of two tensors, or of a tensor and a number, with broadcasting and PyTorch's promotion.
 * Gradients come back in the broadcast shape; the backward walk sums what broadcasting repeated.
 */
import type { BinaryOp } from "../../backend.ts";
import { call, checkTensor } from "../../dispatch.ts";
import { type DType, dtypeInfo, promoteTypes } from "../../dtype.ts";
import { DTypeError, showShape } from "../../errors.ts";
import { record, type Vjp } from "../../grad/node.ts";
import { broadcastShapes, sameShape, type Shape } from "../../shape.ts";
import { Tensor, type TensorLike } from "../../tensor.ts";
import { expandedLayout } from "../views/expand.ts";
import { cast } from "./copy.ts";
import { filled } from "./fill.ts";

type Binary = (a: Tensor, b: TensorLike) => Tensor;

/**
 * The dtype two tensors meet in (`torch.result_type`): a scalar tensor counts only when its kind is higher.
 */
export function resultType(a: Tensor, b: Tensor): DType {
  if (a.dtype === b.dtype) return a.dtype;
  if (a.rank !== 0 && b.rank === 0 && rankOf(b) <= rankOf(a)) return a.dtype;
  if (a.rank === 0 && b.rank !== 0 && rankOf(a) <= rankOf(b)) return b.dtype;
  return promoteTypes(a.dtype, b.dtype);
}

const KIND_RANK = { bool: 0, int: 1, float: 2, block: 3 };

function rankOf(x: Tensor): number {
  return KIND_RANK[dtypeInfo(x.dtype).kind];
}

/** A number beside a tensor: of the tensor's dtype where that can hold its kind. */
export function scalarLike(value: number, x: Tensor): Tensor {
  const { kind } = dtypeInfo(x.dtype);
  const whole = Number.isInteger(value);
  const dtype = kind === "float" ? x.dtype : !whole ? "f32" : kind === "int" ? x.dtype : "i32";
  return filled(x.backend, [], dtype, value);
}

/** Casts and broadcasts both operands, runs the kernel, and lets go of what it made for that. */
function run(op: BinaryOp, a: Tensor, b: Tensor, compute: DType, output: DType): Tensor {
  if (a.dtype === compute && b.dtype === compute && sameShape(a.shape, b.shape)) {
    return call("binary", [a, b], a.shape, output, { op });
  }
  const shape = b.rank === 0 ? a.shape : broadcastShapes(op, a.shape, b.shape);
  using wideA = fit(op, a, compute, shape);
  using wideB = fit(op, b, compute, shape);
  return call("binary", [wideA, wideB], shape, output, { op });
}

/** x without its gradient, cast and broadcast: what a kernel call needs of an operand. */
export function fit(op: string, x: Tensor, dtype: DType, shape: Shape): Tensor {
  x.checkAlive(op);
  if (x.dtype === dtype) {
    return new Tensor(x.storage, sameShape(x.shape, shape) ? x.layout : expandedLayout(x.layout, shape));
  }
  using plain = x.detach();
  using converted = cast(plain, dtype);
  return fit(op, converted, dtype, shape);
}

function checkPlain(op: string, a: Tensor, b: unknown): asserts b is Tensor {
  checkTensor(() => `${op} ${showShape(a.shape)}`, b, "a number or a Tensor");
  if (rankOf(a) < 3 && rankOf(b) < 3) return;
  throw new DTypeError(
    `Cannot ${op} ${a.dtype} ${showShape(a.shape)} with ${b.dtype} ${showShape(b.shape)}: ` +
      `block dtypes take no arithmetic; convert with to("f32") first`,
  );
}

/** Arithmetic in the dtype the operands meet in. */
function arithmetic(op: BinaryOp, vjps: readonly [Vjp, Vjp], saves: boolean): Binary {
  return (a, b) => {
    if (typeof b === "number") {
      using scalar = scalarLike(b, a);
      return arithmeticOf(op, a, scalar, vjps, saves);
    }
    return arithmeticOf(op, a, b, vjps, saves);
  };
}

function arithmeticOf(op: BinaryOp, a: Tensor, b: Tensor, vjps: readonly [Vjp, Vjp], saves: boolean): Tensor {
  checkPlain(op, a, b);
  let dtype = resultType(a, b);
  if (op === "div" && dtypeInfo(dtype).kind !== "float") dtype = "f32";
  if (dtype === "bool" && op === "sub") {
    throw new DTypeError(`Cannot sub bool ${showShape(a.shape)} with bool ${showShape(b.shape)}: use logicalXor`);
  }
  const out = run(op, a, b, dtype, dtype);
  return a.requiresGrad || b.requiresGrad ? record(op, out, [a, b], vjps, saves ? [a, b] : []) : out;
}

/** Comparisons and logic: bool out, no gradient. */
function comparison(op: BinaryOp): Binary {
  return (a, b) => {
    if (typeof b === "number") {
      using scalar = scalarLike(b, a);
      return comparisonOf(op, a, scalar);
    }
    return comparisonOf(op, a, b);
  };
}

function comparisonOf(op: BinaryOp, a: Tensor, b: Tensor): Tensor {
  checkPlain(op, a, b);
  return run(op, a, b, resultType(a, b), "bool");
}

/** At a tie of maximum or minimum each side gets half, as in PyTorch. */
function share(grad: Tensor, wins: Tensor, ties: Tensor): Tensor {
  return grad.mul(wins.to(grad.dtype).add(ties.to(grad.dtype).mul(0.5)));
}

/** `a + b`. */
export const add: (a: Tensor, b: TensorLike) => Tensor = arithmetic("add", [
  (grad) => grad.detach(),
  (grad) => grad.detach(),
], false);
/** `a - b`. */
export const sub: (a: Tensor, b: TensorLike) => Tensor = arithmetic("sub", [
  (grad) => grad.detach(),
  (grad) => grad.neg(),
], false);
/** `a * b`. */
export const mul: (a: Tensor, b: TensorLike) => Tensor = arithmetic("mul", [
  (grad, [, b]) => grad.mul(b!),
  (grad, [a]) => grad.mul(a!),
], true);
/** `a / b`; ints give f32. */
export const div: (a: Tensor, b: TensorLike) => Tensor = arithmetic("div", [
  (grad, [, b]) => grad.div(b!),
  (grad, [a, b]) => grad.mul(a!).div(b!.square()).neg(),
], true);
/** `a ^ b`; at 0^0 the gradient of the base is 0. */
export const pow: (a: Tensor, b: TensorLike) => Tensor = arithmetic("pow", [
  (grad, [a, b]) => grad.mul(b!.mul(a!.pow(b!.sub(1)))).maskedFill(b!.eq(0), 0),
  (grad, [a, b]) => grad.mul(a!.pow(b!)).mul(a!.log()).maskedFill(a!.eq(0), 0),
], true);
/** The larger one; NaN wins. */
export const maximum: (a: Tensor, b: TensorLike) => Tensor = arithmetic("maximum", [
  (grad, [a, b]) => share(grad, a!.gt(b!), a!.eq(b!)),
  (grad, [a, b]) => share(grad, b!.gt(a!), a!.eq(b!)),
], true);
/** The smaller one; NaN wins. */
export const minimum: (a: Tensor, b: TensorLike) => Tensor = arithmetic("minimum", [
  (grad, [a, b]) => share(grad, a!.lt(b!), a!.eq(b!)),
  (grad, [a, b]) => share(grad, b!.lt(a!), a!.eq(b!)),
], true);
/** `a == b`. */
export const eq: (a: Tensor, b: TensorLike) => Tensor = comparison("eq");
/** `a != b`. */
export const ne: (a: Tensor, b: TensorLike) => Tensor = comparison("ne");
/** `a < b`. */
export const lt: (a: Tensor, b: TensorLike) => Tensor = comparison("lt");
/** `a <= b`. */
export const le: (a: Tensor, b: TensorLike) => Tensor = comparison("le");
/** `a > b`. */
export const gt: (a: Tensor, b: TensorLike) => Tensor = comparison("gt");
/** `a >= b`. */
export const ge: (a: Tensor, b: TensorLike) => Tensor = comparison("ge");
/** Whether both are not 0. */
export const logicalAnd: (a: Tensor, b: TensorLike) => Tensor = comparison("logicalAnd");
/** Whether one is not 0. */
export const logicalOr: (a: Tensor, b: TensorLike) => Tensor = comparison("logicalOr");
/** Whether exactly one is not 0. */
export const logicalXor: (a: Tensor, b: TensorLike) => Tensor = comparison("logicalXor");

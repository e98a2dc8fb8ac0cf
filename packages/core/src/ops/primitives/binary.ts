/**
 * Elementwise functions of two tensors, or of a tensor and a number, with broadcasting and PyTorch's promotion.
 * Gradients come back in the broadcast shape; the backward walk sums what broadcasting repeated.
 *
 * A number keeps its value, whatever the tensor's dtype can hold:
 *
 * - beside halves, arithmetic is in f32 where the half would round the number, and the result is rounded once;
 * - beside ints, `div` and numbers with a fraction are in f32; a whole number in `add sub mul` counts modulo 2^8 or 2^32,
 *   as the results do (`u8 3 + -1` is 2, `u8 3 + 300` is 47), in `pow` it must fit, in `maximum minimum` it stops at
 *   the ends of the range, and comparisons are right for any.
 *
 * Comparisons of floats round the number to the tensor's dtype: an f16 made from 0.1 equals 0.1.
 */
import type { BinaryOp } from "../../backend.ts";
import { call, checkTensor } from "../../dispatch.ts";
import { type DType, dtypeInfo, isHalf, promoteTypes } from "../../dtype.ts";
import { DTypeError, showShape } from "../../errors.ts";
import { record, type Vjp } from "../../grad/node.ts";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "../../half.ts";
import { tidy } from "../../memory.ts";
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

/** The dtype a tensor and a number meet in: the number counts only when its kind is higher. */
function numberType(a: Tensor, number: Tensor): DType {
  return rankOf(number) <= rankOf(a) ? a.dtype : number.dtype;
}

/** A number as an element beside a tensor's: of the tensor's dtype where that can hold its kind, at its nearest value. */
export function scalarLike(value: number, x: Tensor): Tensor {
  const { kind } = dtypeInfo(x.dtype);
  const whole = Number.isInteger(value);
  const dtype = kind === "float" ? x.dtype : !whole ? "f32" : kind === "int" ? x.dtype : "i32";
  return filled(x.backend, [], dtype, value);
}

/** A number in arithmetic with x, such that no value is lost before the op. */
function termFor(op: BinaryOp, value: number, x: Tensor): Tensor {
  if (op === "maximum" || op === "minimum") return scalarLike(value, x);
  const { kind } = dtypeInfo(x.dtype);
  if (kind === "float") return filled(x.backend, [], holds(x.dtype, value) ? x.dtype : "f32", value);
  if (op === "div" || !Number.isInteger(value)) return filled(x.backend, [], "f32", value);
  const dtype = x.dtype === "u8" ? "u8" : "i32";
  const wrapped = wrap(dtype, value);
  if (op === "pow" && wrapped !== value) {
    throw new DTypeError(
      `Cannot pow ${x.dtype} ${showShape(x.shape)} with ${value}: the exponent does not fit ${dtype}; use to("f32")`,
    );
  }
  return filled(x.backend, [], dtype, wrapped);
}

/** Whether a float dtype holds a number as well as f32 does. */
function holds(dtype: DType, value: number): boolean {
  if (dtype === "f16") return Object.is(f16ToF32(f32ToF16(value)), value);
  if (dtype === "bf16") return Object.is(bf16ToF32(f32ToBf16(value)), value);
  return true;
}

/** A whole number modulo the range of an int dtype; bools count as i32. */
function wrap(dtype: DType, value: number): number {
  return dtype === "u8" ? value & 0xff : value | 0;
}

/** Larger than any int, and an f32 of it is too. */
const BEYOND_INTS = 2 ** 32;

/** A number to compare x with: one outside the range of x's ints stands beyond all of them. */
function boundFor(value: number, x: Tensor): Tensor {
  if (!Number.isInteger(value) || dtypeInfo(x.dtype).kind === "float" || wrap(x.dtype, value) === value) {
    return scalarLike(value, x);
  }
  return filled(x.backend, [], "f32", value < 0 ? -BEYOND_INTS : BEYOND_INTS);
}

/** Casts and broadcasts both operands, runs the kernel, and lets go of what it made for that. */
function run(op: BinaryOp, a: Tensor, b: Tensor, compute: DType, output: DType): Tensor {
  if (a.dtype === compute && b.dtype === compute && sameShape(a.shape, b.shape)) {
    return call("binary", [a, b], a.shape, output, { op });
  }
  const shape = b.rank === 0 ? a.shape : broadcastShapes(op, a.shape, b.shape);
  return tidy(() => call("binary", [fit(op, a, compute, shape), fit(op, b, compute, shape)], shape, output, { op }));
}

/** x without its gradient, cast and broadcast: what a kernel call needs of an operand. */
export function fit(op: string, x: Tensor, dtype: DType, shape: Shape): Tensor {
  x.checkAlive(op);
  if (x.dtype === dtype) {
    return new Tensor(x.storage, sameShape(x.shape, shape) ? x.layout : expandedLayout(x.layout, shape));
  }
  return tidy(() => fit(op, cast(x.detach(), dtype), dtype, shape));
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
      return tidy(() => {
        const number = termFor(op, b, a);
        checkPlain(op, a, number);
        return arithmeticOf(op, a, number, numberType(a, number), vjps, saves);
      });
    }
    checkPlain(op, a, b);
    return arithmeticOf(op, a, b, resultType(a, b), vjps, saves);
  };
}

function arithmeticOf(
  op: BinaryOp,
  a: Tensor,
  b: Tensor,
  met: DType,
  vjps: readonly [Vjp, Vjp],
  saves: boolean,
): Tensor {
  const dtype = op === "div" && dtypeInfo(met).kind !== "float" ? "f32" : met;
  if (dtype === "bool" && op === "sub") {
    throw new DTypeError(`Cannot sub bool ${showShape(a.shape)} with bool ${showShape(b.shape)}: use logicalXor`);
  }
  const widens = a.dtype !== b.dtype && isHalf(dtype) && (a.rank === 0 || b.rank === 0);
  const out = widens ? inF32(op, a, b, dtype) : run(op, a, b, dtype, dtype);
  return a.requiresGrad || b.requiresGrad ? record(op, out, [a, b], vjps, saves ? [a, b] : []) : out;
}

/** A half and a scalar that it may not hold, a number's among them: one rounding, as PyTorch has it. */
function inF32(op: BinaryOp, a: Tensor, b: Tensor, dtype: DType): Tensor {
  return tidy(() => cast(run(op, a, b, "f32", "f32"), dtype));
}

/** Comparisons and logic: bool out, no gradient. */
function comparison(op: BinaryOp): Binary {
  return (a, b) => {
    if (typeof b === "number") return tidy(() => comparisonOf(op, a, boundFor(b, a)));
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

/** `a + b`; ints wrap. */
export const add: (a: Tensor, b: TensorLike) => Tensor = arithmetic("add", [
  (grad) => grad.detach(),
  (grad) => grad.detach(),
], false);
/** `a - b`; ints wrap. */
export const sub: (a: Tensor, b: TensorLike) => Tensor = arithmetic("sub", [
  (grad) => grad.detach(),
  (grad) => grad.neg(),
], false);
/** `a * b`; ints wrap. */
export const mul: (a: Tensor, b: TensorLike) => Tensor = arithmetic("mul", [
  (grad, [, b]) => grad.mul(b!),
  (grad, [a]) => grad.mul(a!),
], true);
/** `a / b`; ints give f32. */
export const div: (a: Tensor, b: TensorLike) => Tensor = arithmetic("div", [
  (grad, [, b]) => grad.div(b!),
  (grad, [a, b]) => grad.mul(a!.div(b!).div(b!)).neg(), // no square of b, which may be too large for its dtype
], true);
/** `a ^ b`; at 0^0 the gradient of the base is 0. @throws {DTypeError} when a number does not fit the ints it is to raise */
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

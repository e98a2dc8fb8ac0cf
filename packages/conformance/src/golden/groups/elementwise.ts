/** Group `elementwise`: functions of one and two tensors, choice, and casts. */
import * as core from "../../../../core/mod.ts";
import type { Tensor } from "../../../../core/mod.ts";
import type { Call, GoldenOp, OpTable } from "../call.ts";
import { dtypeOf } from "../check.ts";

function unary(fn: (x: Tensor) => Tensor): GoldenOp {
  return (c) => ({ output: fn(c.tensor("x")) });
}

function binary(fn: (a: Tensor, b: Tensor) => Tensor): GoldenOp {
  return (c) => ({ output: fn(c.tensor("a"), c.tensor("b")) });
}

/** `a + alpha * b`, as `torch.add` takes it. */
function addScaled(c: Call): Tensor {
  const alpha = c.attrs.maybeNumber("alpha");
  const b = c.tensor("b");
  return core.add(c.tensor("a"), alpha === undefined ? b : core.mul(b, alpha));
}

/** Mappings of group `elementwise`. */
export const ELEMENTWISE_OPS: OpTable = {
  add: (c) => ({ output: addScaled(c) }),
  sub: binary(core.sub),
  mul: binary(core.mul),
  div: binary(core.div),
  maximum: binary(core.maximum),
  minimum: binary(core.minimum),
  eq: binary(core.eq),
  ne: binary(core.ne),
  lt: binary(core.lt),
  le: binary(core.le),
  gt: binary(core.gt),
  ge: binary(core.ge),
  logical_and: binary(core.logicalAnd),
  logical_or: binary(core.logicalOr),
  logical_xor: binary(core.logicalXor),
  pow: (c) => {
    const base = c.tensor(c.has("a") ? "a" : "x");
    return { output: core.pow(base, c.maybe("b") ?? c.attrs.number("exponent")) };
  },
  add_scalar: (c) => ({ output: core.add(c.tensor("a"), c.attrs.number("scalar")) }),
  mul_scalar: (c) => ({ output: core.mul(c.tensor("a"), c.attrs.number("scalar")) }),
  neg: unary(core.neg),
  abs: unary(core.abs),
  exp: unary(core.exp),
  exp2: unary(core.exp2),
  expm1: unary(core.expm1),
  log: unary(core.log),
  log2: unary(core.log2),
  log1p: unary(core.log1p),
  sqrt: unary(core.sqrt),
  rsqrt: unary(core.rsqrt),
  reciprocal: unary(core.reciprocal),
  sin: unary(core.sin),
  cos: unary(core.cos),
  tanh: unary(core.tanh),
  sigmoid: unary(core.sigmoid),
  erf: unary(core.erf),
  square: unary(core.square),
  sign: unary(core.sign),
  floor: unary(core.floor),
  ceil: unary(core.ceil),
  round: unary(core.round),
  trunc: unary(core.trunc),
  isnan: unary(core.isnan),
  isinf: unary(core.isinf),
  isfinite: unary(core.isfinite),
  logical_not: unary(core.logicalNot),
  clamp: (c) => ({
    output: core.clamp(c.tensor("x"), {
      min: c.attrs.maybeNumber("min") ?? null,
      max: c.attrs.maybeNumber("max") ?? null,
    }),
  }),
  where: (c) => ({ output: core.where(c.tensor("cond"), c.tensor("a"), c.tensor("b")) }),
  masked_fill: (c) => ({ output: core.maskedFill(c.tensor("x"), c.tensor("mask"), c.attrs.number("value")) }),
  cast: (c) => ({ output: c.tensor("x").to(dtypeOf(c.attrs.text("dtype") ?? "")) }),
};

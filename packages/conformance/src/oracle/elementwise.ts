/** Functions of one and two numbers as mathematics has them, in doubles; infinities and NaN as IEEE 754 and PyTorch do. */
import type { BinaryOp, UnaryOp } from "../../../core/mod.ts";
import { at, broadcast, type Dense, generate } from "./dense.ts";
import { roundHalfToEven } from "./elements.ts";

/** The error function: `2/sqrt(pi) * e^(-x^2) * sum of 2^n x^(2n+1) / (2n+1)!!`, all terms of one sign. */
export function erf(x: number): number {
  if (Number.isNaN(x) || Math.abs(x) > 6) return Number.isNaN(x) ? NaN : Math.sign(x);
  let [term, sum] = [x, x];
  for (let n = 1; n < 200 && term !== 0; n++) {
    term *= 2 * x * x / (2 * n + 1);
    sum += term;
  }
  return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

function geluTanh(x: number): number {
  return x * 0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

/** By the contract's names. Truth values are 0 and 1. */
export const UNARY: Readonly<Record<UnaryOp, (x: number) => number>> = {
  neg: (x) => -x,
  abs: Math.abs,
  sign: (x) => Number.isNaN(x) ? 0 : Math.sign(x), // as in PyTorch
  square: (x) => x * x,
  exp: Math.exp,
  exp2: (x) => 2 ** x,
  expm1: Math.expm1,
  log: Math.log,
  log2: Math.log2,
  log1p: Math.log1p,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
  reciprocal: (x) => 1 / x,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  erf,
  sigmoid,
  relu: (x) => x < 0 ? 0 : x,
  silu: (x) => x * sigmoid(x),
  gelu: (x) => x * 0.5 * (1 + erf(x / Math.SQRT2)),
  geluTanh,
  floor: Math.floor,
  ceil: Math.ceil,
  round: (x) => Number.isFinite(x) ? roundHalfToEven(x) : x,
  trunc: Math.trunc,
  isnan: (x) => Number(Number.isNaN(x)),
  isinf: (x) => Number(Math.abs(x) === Infinity),
  isfinite: (x) => Number(Number.isFinite(x)),
  logicalNot: (x) => Number(x === 0),
};

/** The extreme of two, where NaN wins. */
function extreme(a: number, b: number, pick: (a: number, b: number) => number): number {
  return Number.isNaN(a) || Number.isNaN(b) ? NaN : pick(a, b);
}

/** By the contract's names. Truth values are 0 and 1. */
export const BINARY: Readonly<Record<BinaryOp, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow: (a, b) => a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b, // C and PyTorch; JavaScript gives NaN
  maximum: (a, b) => extreme(a, b, Math.max),
  minimum: (a, b) => extreme(a, b, Math.min),
  eq: (a, b) => Number(a === b),
  ne: (a, b) => Number(a !== b),
  lt: (a, b) => Number(a < b),
  le: (a, b) => Number(a <= b),
  gt: (a, b) => Number(a > b),
  ge: (a, b) => Number(a >= b),
  logicalAnd: (a, b) => Number(a !== 0 && b !== 0),
  logicalOr: (a, b) => Number(a !== 0 || b !== 0),
  logicalXor: (a, b) => Number((a !== 0) !== (b !== 0)),
};

/** A function of two arrays, broadcast. */
export function combine(a: Dense, b: Dense, fn: (a: number, b: number) => number): Dense {
  return generate(broadcast(a.shape, b.shape), (index) => fn(at(a, index), at(b, index)));
}

/** `condition ? a : b`, broadcast. */
export function choose(condition: Dense, a: Dense, b: Dense): Dense {
  const shape = broadcast(condition.shape, a.shape, b.shape);
  return generate(shape, (index) => at(condition, index) === 0 ? at(b, index) : at(a, index));
}

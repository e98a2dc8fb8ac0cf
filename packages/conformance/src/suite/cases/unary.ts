/** Every elementwise function of one tensor: dtypes, shapes, layouts. */
import * as core from "../../../../core/mod.ts";
import type { DType, Tensor, UnaryOp } from "../../../../core/mod.ts";
import { map } from "../../oracle/dense.ts";
import { type PlainDType, roundTo } from "../../oracle/elements.ts";
import { UNARY } from "../../oracle/elementwise.ts";
import { layoutsFor, SHAPES } from "../layouts.ts";
import type { SuiteCase } from "../suite_case.ts";

/** The public function of each of the contract's names. */
export const UNARY_FUNCTIONS: Readonly<Record<UnaryOp, (x: Tensor) => Tensor>> = {
  neg: core.neg,
  abs: core.abs,
  sign: core.sign,
  square: core.square,
  exp: core.exp,
  exp2: core.exp2,
  expm1: core.expm1,
  log: core.log,
  log2: core.log2,
  log1p: core.log1p,
  sqrt: core.sqrt,
  rsqrt: core.rsqrt,
  reciprocal: core.reciprocal,
  sin: core.sin,
  cos: core.cos,
  tanh: core.tanh,
  erf: core.erf,
  sigmoid: core.sigmoid,
  relu: core.relu,
  silu: core.silu,
  gelu: (x) => core.gelu(x),
  geluTanh: (x) => core.gelu(x, "tanh"),
  floor: core.floor,
  ceil: core.ceil,
  round: core.round,
  trunc: core.trunc,
  isnan: core.isnan,
  isinf: core.isinf,
  isfinite: core.isfinite,
  logicalNot: core.logicalNot,
};

/** All of the contract's names. */
export const UNARY_OPS: readonly UnaryOp[] = Object.keys(UNARY) as UnaryOp[]; // keys() forgets the key type

/** Where functions live that are not defined for all numbers. */
const DOMAINS: Partial<Readonly<Record<UnaryOp, { low: number; high: number }>>> = {
  log: { low: 0.1, high: 10 },
  log2: { low: 0.1, high: 10 },
  log1p: { low: -0.9, high: 10 },
  sqrt: { low: 0, high: 10 },
  rsqrt: { low: 0.1, high: 10 },
  reciprocal: { low: 0.2, high: 4 },
};

const TESTS: ReadonlySet<UnaryOp> = new Set<UnaryOp>(["isnan", "isinf", "isfinite", "logicalNot"]);

function unaryCase(op: UnaryOp, dtype: PlainDType, shape: readonly number[], layoutIndex: number): SuiteCase {
  const layout = layoutsFor(shape)[layoutIndex]!;
  const output: DType = TESTS.has(op) ? "bool" : dtype;
  return {
    name: `unary/${op} ${dtype} [${shape}] ${layout.name}`,
    needs: [dtype],
    run: (c) => {
      const x = c.operand(shape, { dtype, layout, ...DOMAINS[op] });
      const want = map(x.dense, (v) => TESTS.has(op) ? UNARY[op](v) : roundTo(dtype, UNARY[op](v)));
      return { got: UNARY_FUNCTIONS[op](x.tensor), want, dtype: output };
    },
  };
}

/** f32 in every shape and layout; the other floats in one shape and every layout. */
function casesOf(op: UnaryOp): SuiteCase[] {
  const all = SHAPES.flatMap((shape) => layoutsFor(shape).map((_, i) => unaryCase(op, "f32", shape, i)));
  const floats: readonly PlainDType[] = ["f16", "bf16", "f64"];
  const others = floats.flatMap((dtype) => layoutsFor([3, 5]).map((_, i) => unaryCase(op, dtype, [3, 5], i)));
  return [...all, ...others];
}

const INT_OPS: readonly UnaryOp[] = ["neg", "abs", "sign", "square", "relu", "floor", "ceil", "round", "trunc"];

function intCase(op: UnaryOp): SuiteCase {
  return {
    name: `unary/${op} keeps i32`,
    run: (c) => {
      const x = c.operand([3, 5], { dtype: "i32" });
      return { got: UNARY_FUNCTIONS[op](x.tensor), want: map(x.dense, UNARY[op]), dtype: "i32" };
    },
  };
}

/** Cases of elementwise functions of one tensor. */
export const UNARY_CASES: readonly SuiteCase[] = [...UNARY_OPS.flatMap(casesOf), ...INT_OPS.map(intCase)];

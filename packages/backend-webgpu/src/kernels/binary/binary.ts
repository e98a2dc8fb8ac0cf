/**
 * `out = op(a, b)`, generated from tables of expressions: of floats a and b, of ints, and tests of x and y, which are the
 * operands as integers in the order of the numbers. Truth values add as "or" and multiply as "and".
 */
import type { BinaryOp, PrimitiveKernels } from "../../../../core/src/backend.ts";
import { type DType, isFloat } from "../../../../core/src/dtype.ts";
import type { WebGpuBuffer } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import EXP from "../../wgsl/math/exp.wgsl" with { type: "text" };
import LOG from "../../wgsl/math/log.wgsl" with { type: "text" };
import POW from "../../wgsl/math/pow.wgsl" with { type: "text" };
import TINY from "../../wgsl/math/tiny.wgsl" with { type: "text" };
import { dtypeConstant, elementwiseShaders, runElementwise } from "../elementwise.ts";
import FLOATS from "./floats.wgsl" with { type: "text" };
import INT_POW from "./int_pow.wgsl" with { type: "text" };
import INTS from "./ints.wgsl" with { type: "text" };
import TESTS from "./tests.wgsl" with { type: "text" };

/** Functions that give numbers. */
type ArithmeticOp = "add" | "sub" | "mul" | "div" | "pow" | "maximum" | "minimum";

const FLOAT_EXPRESSIONS: Readonly<Record<ArithmeticOp, string>> = {
  add: "a + b",
  sub: "a - b",
  mul: "multiply(a, b)",
  div: "divide(a, b)",
  pow: "pow_(a, b)",
  maximum: "select(select(b, a, a > b || is_nan(a)), b, is_nan(b))", // NaN wins from either side
  minimum: "select(select(b, a, a < b || is_nan(a)), b, is_nan(b))",
};

/** Files that define what expressions of floats call. */
const FUNCTION_FILES: Partial<Readonly<Record<ArithmeticOp, readonly string[]>>> = {
  mul: [TINY],
  div: [TINY],
  pow: [EXP, LOG, POW],
};

const INT_EXPRESSIONS: Readonly<Record<ArithmeticOp, string>> = {
  add: "a + b",
  sub: "a - b",
  mul: "a * b",
  div: "a / b",
  pow: "pow_(a, b)",
  maximum: "max(a, b)",
  minimum: "min(a, b)",
};

const BOOL_EXPRESSIONS: Readonly<Record<ArithmeticOp, string>> = { ...INT_EXPRESSIONS, add: "a | b", mul: "a & b" };

/** NaN has the highest place in order and equals nothing; `number` says that neither operand is NaN. */
const TEST_EXPRESSIONS: Readonly<Record<Exclude<BinaryOp, ArithmeticOp>, string>> = {
  eq: "number && x == y",
  ne: "!number || x != y",
  lt: "number && x < y",
  le: "number && x <= y",
  gt: "number && x > y",
  ge: "number && x >= y",
  logicalAnd: "x != zero && y != zero",
  logicalOr: "x != zero || y != zero",
  logicalXor: "(x != zero) != (y != zero)",
};

function isArithmetic(op: BinaryOp): op is ArithmeticOp {
  return Object.hasOwn(FLOAT_EXPRESSIONS, op);
}

function filesOf(op: BinaryOp, dtype: DType): string[] {
  if (!isArithmetic(op)) {
    const expression = TEST_EXPRESSIONS[op];
    return [`fn test(x: u32, y: u32, zero: u32, number: bool) -> bool { return ${expression}; }`, TESTS];
  }
  if (isFloat(dtype)) {
    const functions = FUNCTION_FILES[op] ?? [];
    return [...functions, `fn apply(a: f32, b: f32) -> f32 { return ${FLOAT_EXPRESSIONS[op]}; }`, FLOATS];
  }
  const expression = (dtype === "bool" ? BOOL_EXPRESSIONS : INT_EXPRESSIONS)[op];
  const functions = op === "pow" ? [INT_POW] : [];
  return [...functions, `fn apply(a: i32, b: i32) -> i32 { return ${expression}; }`, INTS];
}

const SHADERS = elementwiseShaders("rr", (key) => {
  const [op, dtype] = key.split(" ") as [BinaryOp, DType]; // as binary() puts them together
  return {
    label: `binary_${op}_${dtype}`,
    constants: { X: dtypeConstant(dtype), OUT: dtypeConstant(isArithmetic(op) ? dtype : "bool") },
    files: filesOf(op, dtype),
  };
});

/** The kernel. */
export function binary(gpu: Gpu): PrimitiveKernels<WebGpuBuffer>["binary"] {
  return {
    layout: "strided",
    run([a, b], [out], { op }): void {
      runElementwise(gpu, SHADERS, `${op} ${a.dtype}`, out!, [a, b]);
    },
  };
}

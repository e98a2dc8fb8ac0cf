/**
 * `out = op(x)`, generated from a table of expressions: one of a float x, one of an integer x where ints are closed under
 * the op, or a test of the bits. NaN stays NaN unless the table says otherwise.
 */
import type { PrimitiveKernels, UnaryOp } from "../../../../core/src/backend.ts";
import { type DType, isFloat } from "../../../../core/src/dtype.ts";
import type { WebGpuBuffer } from "../../buffer.ts";
import type { Gpu } from "../../gpu.ts";
import ERF from "../../wgsl/math/erf.wgsl" with { type: "text" };
import EXP from "../../wgsl/math/exp.wgsl" with { type: "text" };
import LOG from "../../wgsl/math/log.wgsl" with { type: "text" };
import TINY from "../../wgsl/math/tiny.wgsl" with { type: "text" };
import TRIG from "../../wgsl/math/trig.wgsl" with { type: "text" };
import { dtypeConstant, elementwiseShaders, runElementwise } from "../elementwise.ts";
import FLOATS from "./floats.wgsl" with { type: "text" };
import INTS from "./ints.wgsl" with { type: "text" };
import ROUNDING from "./rounding.wgsl" with { type: "text" };

/** What an op is. */
interface Expression {
  /** Of a float x that is not NaN. */
  readonly float: string;
  /** Files that define what the expression calls. */
  readonly files?: readonly string[];
  /** Of an i32 x. */
  readonly int?: string;
  /** What NaN gives; NaN when left out. */
  readonly ofNaN?: string;
}

const EXPRESSIONS: Readonly<Record<UnaryOp, Expression>> = {
  neg: { float: "bitcast<f32>(bitcast<u32>(x) ^ 0x80000000u)", int: "-x" },
  abs: { float: "bitcast<f32>(bitcast<u32>(x) & 0x7fffffffu)", int: "abs(x)" },
  sign: { float: "sign_(x)", files: [ROUNDING], int: "sign(x)", ofNaN: "0.0" },
  square: { float: "x * x", int: "x * x" },
  exp: { float: "exp_(x)", files: [EXP] },
  exp2: { float: "exp2_(x)", files: [EXP] },
  expm1: { float: "expm1_(x)", files: [EXP] },
  log: { float: "log_(x)", files: [LOG] },
  log2: { float: "log2_(x)", files: [LOG] },
  log1p: { float: "log1p_(x)", files: [LOG] },
  sqrt: { float: "sqrt_(x)", files: [ROUNDING] },
  rsqrt: { float: "1.0 / sqrt_(x)", files: [ROUNDING] },
  reciprocal: { float: "divide(1.0, x)", files: [TINY] },
  sin: { float: "sin_(x)", files: [TRIG] },
  cos: { float: "cos_(x)", files: [TRIG] },
  tanh: { float: "tanh_(x)", files: [EXP] },
  erf: { float: "erf_(x)", files: [EXP, ERF] },
  sigmoid: { float: "sigmoid_(x)", files: [EXP] },
  relu: { float: "select(x, 0.0, x < 0.0)", int: "max(x, 0)" },
  silu: { float: "x * sigmoid_(x)", files: [EXP] },
  gelu: { float: "gelu_(x)", files: [EXP, ERF] },
  geluTanh: { float: "gelu_tanh_(x)", files: [EXP, ERF] },
  floor: { float: "floor_(x)", files: [ROUNDING], int: "x" },
  ceil: { float: "ceil_(x)", files: [ROUNDING], int: "x" },
  round: { float: "select(x, half_to_even(x), has_fraction(x))", files: [ROUNDING], int: "x" },
  trunc: { float: "select(x, trunc(x), has_fraction(x))", files: [ROUNDING], int: "x" },
  isnan: { float: "0.0", int: "0", ofNaN: "1.0" },
  isinf: { float: "f32(is_infinite(x))", int: "0", ofNaN: "0.0" },
  isfinite: { float: "f32(!is_infinite(x))", int: "1", ofNaN: "0.0" },
  logicalNot: { float: "f32((bitcast<u32>(x) & 0x7fffffffu) == 0u)", int: "i32(x == 0)", ofNaN: "0.0" },
};

const SHADERS = elementwiseShaders("r", (key) => {
  const [op, x, out] = key.split(" ") as [UnaryOp, DType, DType]; // as unary() puts them together
  const { float, files = [], int = "x", ofNaN = "nan()" } = EXPRESSIONS[op];
  const constants = { X: dtypeConstant(x), OUT: dtypeConstant(out) };
  const label = `unary_${op}_${x}`;
  if (!isFloat(x)) return { label, constants, files: [`fn apply(x: i32) -> i32 { return ${int}; }`, INTS] };
  const functions = `fn apply(x: f32) -> f32 { return ${float}; }\nfn apply_to_nan() -> f32 { return ${ofNaN}; }`;
  return { label, constants, files: [...files, functions, FLOATS] };
});

/** The kernel. */
export function unary(gpu: Gpu): PrimitiveKernels<WebGpuBuffer>["unary"] {
  return {
    layout: "strided",
    run([x], [out], { op }): void {
      runElementwise(gpu, SHADERS, `${op} ${x.dtype} ${out!.dtype}`, out!, [x]);
    },
  };
}

/**
 * Elementwise functions of one tensor, each with its derivative. Float functions of ints give f32, as PyTorch does;
 * `neg abs sign square` and the roundings keep ints; tests give bool.
 */
import type { UnaryOp } from "../../backend.ts";
import { call } from "../../dispatch.ts";
import { type DType, dtypeInfo } from "../../dtype.ts";
import { DTypeError, showShape } from "../../errors.ts";
import { record, type Vjp } from "../../grad/node.ts";
import { tidy } from "../../memory.ts";
import type { Tensor } from "../../tensor.ts";
import { cast } from "./copy.ts";

/** Functions that ints are closed under. */
const KEEPS_INTS: ReadonlySet<UnaryOp> = new Set<UnaryOp>(
  ["neg", "abs", "sign", "square", "relu", "floor", "ceil", "round", "trunc"],
);
const GIVES_BOOL: ReadonlySet<UnaryOp> = new Set<UnaryOp>(["isnan", "isinf", "isfinite", "logicalNot"]);

/** The dtypes that the op computes in, and gives, for an input. */
function unaryDTypes(op: UnaryOp, x: Tensor): { input: DType; output: DType } {
  const { kind } = dtypeInfo(x.dtype);
  if (kind === "block") {
    throw new DTypeError(`Cannot ${op} ${x.dtype} ${showShape(x.shape)}: convert with to("f32") first`);
  }
  if (GIVES_BOOL.has(op)) return { input: x.dtype, output: "bool" };
  if (kind === "float" || (kind === "int" && KEEPS_INTS.has(op))) return { input: x.dtype, output: x.dtype };
  if (kind === "bool" && KEEPS_INTS.has(op)) {
    throw new DTypeError(
      `Cannot ${op} bool ${showShape(x.shape)}: it means nothing for truth values; use logicalNot or to("i32")`,
    );
  }
  return { input: "f32", output: "f32" };
}

function run(op: UnaryOp, x: Tensor): Tensor {
  const { input, output } = unaryDTypes(op, x);
  if (input === x.dtype) return call("unary", [x], x.shape, output, { op });
  return tidy(() => call("unary", [cast(x, input)], x.shape, output, { op }));
}

/** An op whose derivative needs its input. */
function ofInput(op: UnaryOp, derivative: (grad: Tensor, x: Tensor) => Tensor): (x: Tensor) => Tensor {
  const vjps: readonly Vjp[] = [(grad, [x]) => derivative(grad, x!)];
  return (x) => {
    const out = run(op, x);
    return x.requiresGrad ? record(op, out, [x], vjps, [x]) : out;
  };
}

/** An op whose derivative needs only its output. */
function ofOutput(op: UnaryOp, derivative: (grad: Tensor, y: Tensor) => Tensor): (x: Tensor) => Tensor {
  const vjps: readonly Vjp[] = [(grad, [y]) => derivative(grad, y!)];
  return (x) => {
    const out = run(op, x);
    return x.requiresGrad ? record(op, out, [x], vjps, [out]) : out;
  };
}

/** An op whose derivative is 0 wherever it exists. */
function flat(op: UnaryOp): (x: Tensor) => Tensor {
  return ofInput(op, (grad) => grad.mul(0));
}

/** An op with a truth value for a result, and no derivative. */
function test(op: UnaryOp): (x: Tensor) => Tensor {
  return (x) => run(op, x);
}

const SQRT_HALF = Math.SQRT1_2;
const TWO_OVER_SQRT_PI = 2 / Math.sqrt(Math.PI);

/** `-x`. */
export const neg: (x: Tensor) => Tensor = ofInput("neg", (grad) => grad.neg());
/** `|x|`; derivative 0 at 0. */
export const abs: (x: Tensor) => Tensor = ofInput("abs", (grad, x) => grad.mul(x.sign()));
/** -1, 0 or 1; 0 for NaN, as in PyTorch. */
export const sign: (x: Tensor) => Tensor = flat("sign");
/** `x * x`. */
export const square: (x: Tensor) => Tensor = ofInput("square", (grad, x) => grad.mul(x).mul(2));
/** `e^x`. */
export const exp: (x: Tensor) => Tensor = ofOutput("exp", (grad, y) => grad.mul(y));
/** `2^x`. */
export const exp2: (x: Tensor) => Tensor = ofOutput("exp2", (grad, y) => grad.mul(y).mul(Math.LN2));
/** `e^x - 1`, exact near 0. */
export const expm1: (x: Tensor) => Tensor = ofOutput("expm1", (grad, y) => grad.mul(y.add(1)));
/** Natural logarithm. */
export const log: (x: Tensor) => Tensor = ofInput("log", (grad, x) => grad.div(x));
/** Logarithm to base 2. */
export const log2: (x: Tensor) => Tensor = ofInput("log2", (grad, x) => grad.div(x.mul(Math.LN2)));
/** `log(1 + x)`, exact near 0. */
export const log1p: (x: Tensor) => Tensor = ofInput("log1p", (grad, x) => grad.div(x.add(1)));
/** Square root. */
export const sqrt: (x: Tensor) => Tensor = ofOutput("sqrt", (grad, y) => grad.div(y.mul(2)));
/** `1 / sqrt(x)`. */
export const rsqrt: (x: Tensor) => Tensor = ofOutput("rsqrt", (grad, y) => grad.mul(y.square().mul(y)).mul(-0.5));
/** `1 / x`. */
export const reciprocal: (x: Tensor) => Tensor = ofOutput("reciprocal", (grad, y) => grad.mul(y.square()).neg());
/** Sine of radians. */
export const sin: (x: Tensor) => Tensor = ofInput("sin", (grad, x) => grad.mul(x.cos()));
/** Cosine of radians. */
export const cos: (x: Tensor) => Tensor = ofInput("cos", (grad, x) => grad.mul(x.sin()).neg());
/** Hyperbolic tangent. */
export const tanh: (x: Tensor) => Tensor = ofOutput("tanh", (grad, y) => grad.sub(grad.mul(y.square())));
/** The error function. */
export const erf: (x: Tensor) => Tensor = ofInput(
  "erf",
  (grad, x) => grad.mul(x.square().neg().exp()).mul(TWO_OVER_SQRT_PI),
);
/** `1 / (1 + e^-x)`. */
export const sigmoid: (x: Tensor) => Tensor = ofOutput("sigmoid", (grad, y) => grad.mul(y.sub(y.square())));
/** `max(x, 0)`; NaN stays. */
export const relu: (x: Tensor) => Tensor = ofOutput("relu", (grad, y) => grad.mul(y.gt(0)));
/** `x * sigmoid(x)`, also called swish. */
export const silu: (x: Tensor) => Tensor = ofInput("silu", (grad, x) => {
  const s = sigmoid(x);
  return grad.mul(s.add(x.mul(s.sub(s.square()))));
});
/** Nearest whole number below. */
export const floor: (x: Tensor) => Tensor = flat("floor");
/** Nearest whole number above. */
export const ceil: (x: Tensor) => Tensor = flat("ceil");
/** Nearest whole number, halves to even. */
export const round: (x: Tensor) => Tensor = flat("round");
/** Nearest whole number toward 0. */
export const trunc: (x: Tensor) => Tensor = flat("trunc");
/** Whether elements are NaN. */
export const isnan: (x: Tensor) => Tensor = test("isnan");
/** Whether elements are an infinity. */
export const isinf: (x: Tensor) => Tensor = test("isinf");
/** Whether elements are neither NaN nor an infinity. */
export const isfinite: (x: Tensor) => Tensor = test("isfinite");
/** Whether elements are 0. */
export const logicalNot: (x: Tensor) => Tensor = test("logicalNot");

const geluErf = ofInput("gelu", (grad, x) => {
  const cdf = erf(x.mul(SQRT_HALF)).add(1).mul(0.5);
  const density = x.square().mul(-0.5).exp().mul(1 / Math.sqrt(2 * Math.PI));
  return grad.mul(cdf.add(x.mul(density)));
});

const geluTanh = ofInput("geluTanh", (grad, x) => {
  const k = Math.sqrt(2 / Math.PI);
  const t = tanh(x.add(x.square().mul(x).mul(0.044715)).mul(k));
  const inner = x.square().mul(3 * 0.044715).add(1).mul(k);
  const slope = t.square().neg().add(1).mul(inner).mul(x);
  return grad.mul(t.add(1).add(slope).mul(0.5));
});

/**
 * Gaussian error linear unit (`torch.nn.functional.gelu`).
 *
 * @param approximate `"none"`: `x * Phi(x)`; `"tanh"`: the approximation of the original paper
 */
export function gelu(x: Tensor, approximate: "none" | "tanh" = "none"): Tensor {
  return approximate === "none" ? geluErf(x) : geluTanh(x);
}

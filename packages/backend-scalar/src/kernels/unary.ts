/**
 * `out = op(x)`, computed in f64 and rounded by the store.
 *
 * `FUNCTIONS` says what each op is; one loop serves them all. An engine cannot inline a function that varies (15 ns an
 * element, measured, beside 2), so the ops that models spend time in have loops of their own for floats.
 */
import type { PrimitiveKernels, UnaryOp } from "../../../core/src/backend.ts";
import { isFloat } from "../../../core/src/dtype.ts";
import type { ScalarBuffer } from "../buffer.ts";
import type { Elements } from "../elements.ts";
import { erf, erfc } from "../erf.ts";
import { widening } from "../halves.ts";
import { Walk } from "../walk.ts";

/** `out[io + i] = op(x[ix + i * sx])` for i < n. */
type Loop = (x: Elements, ix: number, sx: number, out: Elements, io: number, n: number) => void;

const FUNCTIONS: Readonly<Record<UnaryOp, (x: number) => number>> = {
  neg: (x) => -x,
  abs: Math.abs,
  sign: (x) => x > 0 ? 1 : x < 0 ? -1 : 0, // of NaN too, as in PyTorch
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
  silu: (x) => x / (1 + Math.exp(-x)),
  gelu: (x) => 0.5 * x * erfc(-x * Math.SQRT1_2), // x * Phi(x)
  geluTanh: (x) => x * sigmoid(2 * SQRT_2_OVER_PI * (x + 0.044715 * x * x * x)), // (1 + tanh(u)) / 2 = sigmoid(2u)
  floor: Math.floor,
  ceil: Math.ceil,
  round: roundHalfToEven,
  trunc: Math.trunc,
  isnan: (x) => x !== x ? 1 : 0,
  isinf: (x) => Math.abs(x) === Infinity ? 1 : 0,
  isfinite: (x) => x - x === 0 ? 1 : 0,
  logicalNot: (x) => x === 0 ? 1 : 0,
};

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x)); // e^-x may become Infinity, and then this is 0, as it should be
}

function roundHalfToEven(x: number): number {
  const up = Math.round(x); // ties go up
  return up - x === 0.5 && up % 2 !== 0 ? up - 1 : up;
}

function loopOf(f: (x: number) => number): Loop {
  return (x, ix, sx, out, io, n) => {
    for (const end = io + n; io < end; io++, ix += sx) out[io] = f(x[ix]!);
  };
}

type Loops = Readonly<Record<UnaryOp, Loop>>;

// fromEntries() forgets the keys
const LOOPS = Object.fromEntries(Object.entries(FUNCTIONS).map(([op, f]) => [op, loopOf(f)])) as Loops;

const INT_LOOPS: Loops = { ...LOOPS, square: loopOf((x) => Math.imul(x, x)) };

const FLOAT_LOOPS: Loops = {
  ...LOOPS,
  neg: (x, ix, sx, out, io, n) => {
    for (const end = io + n; io < end; io++, ix += sx) out[io] = -x[ix]!;
  },
  square: (x, ix, sx, out, io, n) => {
    for (const end = io + n; io < end; io++, ix += sx) out[io] = x[ix]! * x[ix]!;
  },
  exp: (x, ix, sx, out, io, n) => {
    for (const end = io + n; io < end; io++, ix += sx) out[io] = Math.exp(x[ix]!);
  },
  silu: (x, ix, sx, out, io, n) => {
    for (const end = io + n; io < end; io++, ix += sx) out[io] = x[ix]! / (1 + Math.exp(-x[ix]!));
  },
};

/** The kernel. */
export const unary: PrimitiveKernels<ScalarBuffer>["unary"] = widening({
  layout: "strided",
  run([x], [out], { op }): void {
    const loop = (isFloat(x.dtype) ? FLOAT_LOOPS : INT_LOOPS)[op];
    const from = x.buffer.elements;
    const to = out!.buffer.elements;
    const last = x.shape.length - 1;
    if (last <= 0) return loop(from, x.offset, x.strides[0] ?? 0, to, 0, x.shape[0] ?? 1);
    const [n, sx] = [x.shape[last]!, x.strides[last]!];
    const walk = new Walk(x.shape.slice(0, last), [x.strides], [x.offset]);
    let io = 0;
    do {
      loop(from, walk.at[0]!, sx, to, io, n);
      io += n;
    } while (walk.next());
  },
});

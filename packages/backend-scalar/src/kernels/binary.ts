/**
 * `out = op(a, b)` on operands of one shape and dtype, stride 0 where they are broadcast.
 *
 * `FUNCTIONS` says what each op is on floats, `INT_FUNCTIONS` and `BOOL_FUNCTIONS` where whole numbers and truth values
 * differ; one loop serves them all. An engine cannot inline a function that varies (15 ns an element, measured, beside
 * 3), so the four that models spend time in have loops of their own for floats.
 */
import type { BinaryOp, PrimitiveKernels } from "../../../core/src/backend.ts";
import type { DType } from "../../../core/src/dtype.ts";
import type { ScalarBuffer } from "../buffer.ts";
import type { Elements } from "../elements.ts";
import { widening } from "../halves.ts";
import { Walk } from "../walk.ts";

type BinaryFunction = (a: number, b: number) => number;
type Functions = Readonly<Record<BinaryOp, BinaryFunction>>;

const FUNCTIONS: Functions = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow,
  maximum: (a, b) => a > b || a !== a ? a : b, // NaN wins from either side
  minimum: (a, b) => a < b || a !== a ? a : b,
  eq: (a, b) => a === b ? 1 : 0,
  ne: (a, b) => a !== b ? 1 : 0,
  lt: (a, b) => a < b ? 1 : 0,
  le: (a, b) => a <= b ? 1 : 0,
  gt: (a, b) => a > b ? 1 : 0,
  ge: (a, b) => a >= b ? 1 : 0,
  logicalAnd: (a, b) => a !== 0 && b !== 0 ? 1 : 0,
  logicalOr: (a, b) => a !== 0 || b !== 0 ? 1 : 0,
  logicalXor: (a, b) => (a !== 0) !== (b !== 0) ? 1 : 0,
};

/** Results wrap: the store does it, but products must not be rounded before. */
const INT_FUNCTIONS: Functions = { ...FUNCTIONS, mul: Math.imul, pow: intPow };

const BOOL_FUNCTIONS: Functions = { ...FUNCTIONS, add: (a, b) => a | b, mul: (a, b) => a & b };

/** IEEE 754 pow: 1 to any power is 1, and so is -1 to an infinite one; JavaScript gives NaN. */
function pow(a: number, b: number): number {
  if (a === 1 || (a === -1 && Math.abs(b) === Infinity)) return 1;
  return a ** b;
}

/** By squaring, modulo 2^32; a negative power is the truncated fraction, 0 for any base but 1 and -1. */
function intPow(a: number, b: number): number {
  if (b < 0) return a === 1 ? 1 : a !== -1 ? 0 : b % 2 === 0 ? 1 : -1;
  let [power, result] = [a, 1];
  for (let rest = b; rest > 0; rest >>= 1) {
    if (rest & 1) result = Math.imul(result, power);
    power = Math.imul(power, power);
  }
  return result;
}

/** `out[io + i] = op(a[ia + i * sa], b[ib + i * sb])` for i < n. */
type Loop = (
  a: Elements,
  ia: number,
  sa: number,
  b: Elements,
  ib: number,
  sb: number,
  out: Elements,
  io: number,
  n: number,
) => void;

function loopOf(f: BinaryFunction): Loop {
  return (a, ia, sa, b, ib, sb, out, io, n) => {
    for (const end = io + n; io < end; io++, ia += sa, ib += sb) out[io] = f(a[ia]!, b[ib]!);
  };
}

type Loops = Readonly<Record<BinaryOp, Loop>>;

function loopsOf(functions: Functions): Loops {
  // fromEntries() forgets the keys
  return Object.fromEntries(Object.entries(functions).map(([op, f]) => [op, loopOf(f)])) as Loops;
}

const INT_LOOPS = loopsOf(INT_FUNCTIONS);
const BOOL_LOOPS = loopsOf(BOOL_FUNCTIONS);

const FLOAT_LOOPS: Loops = {
  ...loopsOf(FUNCTIONS),
  add: (a, ia, sa, b, ib, sb, out, io, n) => {
    for (const end = io + n; io < end; io++, ia += sa, ib += sb) out[io] = a[ia]! + b[ib]!;
  },
  sub: (a, ia, sa, b, ib, sb, out, io, n) => {
    for (const end = io + n; io < end; io++, ia += sa, ib += sb) out[io] = a[ia]! - b[ib]!;
  },
  mul: (a, ia, sa, b, ib, sb, out, io, n) => {
    for (const end = io + n; io < end; io++, ia += sa, ib += sb) out[io] = a[ia]! * b[ib]!;
  },
  div: (a, ia, sa, b, ib, sb, out, io, n) => {
    for (const end = io + n; io < end; io++, ia += sa, ib += sb) out[io] = a[ia]! / b[ib]!;
  },
};

function loopsFor(dtype: DType): Loops {
  if (dtype === "i32" || dtype === "u8") return INT_LOOPS;
  return dtype === "bool" ? BOOL_LOOPS : FLOAT_LOOPS;
}

/** The kernel. */
export const binary: PrimitiveKernels<ScalarBuffer>["binary"] = widening({
  layout: "strided",
  run([a, b], [out], { op }): void {
    const loop = loopsFor(a.dtype)[op];
    const [left, right, to] = [a.buffer.elements, b.buffer.elements, out!.buffer.elements];
    const { shape } = a;
    const last = shape.length - 1;
    const n = shape[last] ?? 1;
    const [sa, sb] = [a.strides[last] ?? 0, b.strides[last] ?? 0];
    if (last <= 0) return loop(left, a.offset, sa, right, b.offset, sb, to, 0, n);
    const walk = new Walk(shape.slice(0, last), [a.strides, b.strides], [a.offset, b.offset]);
    let io = 0;
    do {
      loop(left, walk.at[0]!, sa, right, walk.at[1]!, sb, to, io, n);
      io += n;
    } while (walk.next());
  },
});

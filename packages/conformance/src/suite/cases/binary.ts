/** Every elementwise function of two tensors: pairs of layouts, broadcasting, numbers, dtypes. */
import * as core from "../../../../core/mod.ts";
import type { BinaryOp, DType, Tensor, TensorLike } from "../../../../core/mod.ts";
import { map } from "../../oracle/dense.ts";
import { type PlainDType, roundTo } from "../../oracle/elements.ts";
import { BINARY, combine } from "../../oracle/elementwise.ts";
import { layoutsFor, SHAPES } from "../layouts.ts";
import type { SuiteCase } from "../suite_case.ts";
import type { Operand, OperandOptions, SuiteContext } from "../suite_context.ts";

/** The public function of each of the contract's names. */
export const BINARY_FUNCTIONS: Readonly<Record<BinaryOp, (a: Tensor, b: TensorLike) => Tensor>> = {
  add: core.add,
  sub: core.sub,
  mul: core.mul,
  div: core.div,
  pow: core.pow,
  maximum: core.maximum,
  minimum: core.minimum,
  eq: core.eq,
  ne: core.ne,
  lt: core.lt,
  le: core.le,
  gt: core.gt,
  ge: core.ge,
  logicalAnd: core.logicalAnd,
  logicalOr: core.logicalOr,
  logicalXor: core.logicalXor,
};

/** All of the contract's names. */
export const BINARY_OPS: readonly BinaryOp[] = Object.keys(BINARY) as BinaryOp[]; // keys() forgets the key type

const ARITHMETIC: ReadonlySet<BinaryOp> = new Set<BinaryOp>(["add", "sub", "mul", "div", "pow", "maximum", "minimum"]);

/** Comparisons get few distinct values, so that equal ones meet. */
function rangeOf(op: BinaryOp): OperandOptions {
  return ARITHMETIC.has(op) ? { low: 0.25, high: 3 } : {};
}

function operand(c: SuiteContext, op: BinaryOp, shape: readonly number[], options: OperandOptions): Operand {
  if (ARITHMETIC.has(op)) return c.operand(shape, { ...rangeOf(op), ...options });
  const { tensor, dense } = c.operand(shape, options);
  return { tensor: core.round(tensor), dense: map(dense, (x) => Math.round(x) || 0) };
}

function resultOf(op: BinaryOp, dtype: PlainDType): { dtype: DType; fn: (a: number, b: number) => number } {
  if (!ARITHMETIC.has(op)) return { dtype: "bool", fn: BINARY[op] };
  return { dtype, fn: (a, b) => roundTo(dtype, BINARY[op](a, b)) };
}

/** Every pair of layouts of one shape. */
function pairCases(op: BinaryOp, shape: readonly number[]): SuiteCase[] {
  const layouts = layoutsFor(shape);
  const { dtype, fn } = resultOf(op, "f32");
  return layouts.flatMap((first) =>
    layouts.map((second): SuiteCase => ({
      name: `binary/${op} [${shape}] ${first.name}, ${second.name}`,
      run: (c) => {
        const [a, b] = [operand(c, op, shape, { layout: first }), operand(c, op, shape, { layout: second })];
        return { got: BINARY_FUNCTIONS[op](a.tensor, b.tensor), want: combine(a.dense, b.dense, fn), dtype };
      },
    }))
  );
}

const BROADCASTS: readonly (readonly [readonly number[], readonly number[]])[] = [
  [[3, 5], [5]],
  [[3, 1], [1, 5]],
  [[], [2, 3]],
  [[2, 1, 4, 1], [3, 1, 7]],
  [[0, 3], [1, 3]],
  [[1], [0]],
];

function broadcastCase(op: BinaryOp, left: readonly number[], right: readonly number[]): SuiteCase {
  const { dtype, fn } = resultOf(op, "f32");
  return {
    name: `binary/${op} [${left}] with [${right}]`,
    run: (c) => {
      const [a, b] = [operand(c, op, left, {}), operand(c, op, right, {})];
      return { got: BINARY_FUNCTIONS[op](a.tensor, b.tensor), want: combine(a.dense, b.dense, fn), dtype };
    },
  };
}

function numberCase(op: BinaryOp): SuiteCase {
  const { dtype, fn } = resultOf(op, "f32");
  return {
    name: `binary/${op} with a number`,
    run: (c) => {
      const a = operand(c, op, [3, 5], {});
      return { got: BINARY_FUNCTIONS[op](a.tensor, 2), want: map(a.dense, (x) => fn(x, 2)), dtype };
    },
  };
}

function dtypeCase(op: BinaryOp, dtype: PlainDType): SuiteCase {
  const result = resultOf(op, dtype);
  const layout = layoutsFor([3, 5])[1]!;
  return {
    name: `binary/${op} ${dtype}`,
    needs: [dtype],
    run: (c) => {
      const [a, b] = [operand(c, op, [3, 5], { dtype, layout }), operand(c, op, [3, 5], { dtype })];
      const want = combine(a.dense, b.dense, result.fn);
      return { got: BINARY_FUNCTIONS[op](a.tensor, b.tensor), want, dtype: result.dtype };
    },
  };
}

function casesOf(op: BinaryOp): SuiteCase[] {
  const wide = op === "add" || op === "lt" ? SHAPES : [[3, 5], [2, 3, 5]];
  const floats: readonly PlainDType[] = ["f16", "bf16", "f64"];
  return [
    ...wide.flatMap((shape) => pairCases(op, shape)),
    ...BROADCASTS.map(([left, right]) => broadcastCase(op, left, right)),
    numberCase(op),
    ...floats.map((dtype) => dtypeCase(op, dtype)),
  ];
}

const INT_OPS: readonly BinaryOp[] = ["add", "sub", "mul", "maximum", "minimum"];
const INT_TESTS: readonly BinaryOp[] = ["eq", "ne", "lt", "le", "gt", "ge", "logicalAnd", "logicalOr", "logicalXor"];

function intCase(op: BinaryOp, dtype: "i32" | "u8"): SuiteCase {
  return {
    name: `binary/${op} ${dtype}`,
    run: (c) => {
      const [a, b] = [c.operand([3, 5], { dtype }), c.operand([5], { dtype })];
      const want = combine(a.dense, b.dense, (x, y) => roundTo(dtype, BINARY[op](x, y)));
      return { got: BINARY_FUNCTIONS[op](a.tensor, b.tensor), want, dtype: INT_OPS.includes(op) ? dtype : "bool" };
    },
  };
}

/** Cases of elementwise functions of two tensors. */
export const BINARY_CASES: readonly SuiteCase[] = [
  ...BINARY_OPS.flatMap(casesOf),
  ...[...INT_OPS, ...INT_TESTS].flatMap((op) => [intCase(op, "i32"), intCase(op, "u8")]),
];

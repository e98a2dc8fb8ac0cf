/**
 * Numbers that the dtype beside them cannot hold: ints wrap them in sums and products, and divide by and compare with the
 * number itself; halves round once, what PyTorch calls opmath.
 */
import { type BinaryOp, type DType, gradients, onesLike, type Tensor } from "../../../../core/mod.ts";
import type { PlainDType } from "../../oracle/elements.ts";
import type { SuiteCase } from "../suite_case.ts";
import { BINARY_FUNCTIONS } from "./binary.ts";

/** `op(x, number)` is `want`, of dtype `output`. */
type Line = readonly [dtype: PlainDType, op: BinaryOp, x: number, number: number, output: DType, want: number];

const I32_MAX = 2 ** 31 - 1;
const I32_MIN = -(2 ** 31);

const LINES: readonly Line[] = [
  ["u8", "div", 128, 256, "f32", 0.5],
  ["u8", "div", 3, -1, "f32", -3],
  ["i32", "div", 5e8, 1e10, "f32", 0.05],
  ["u8", "add", 3, -1, "u8", 2],
  ["u8", "add", 3, 300, "u8", 47],
  ["u8", "sub", 3, 300, "u8", 215],
  ["u8", "mul", 3, 300, "u8", 132],
  ["u8", "mul", 3, -1, "u8", 253],
  ["i32", "add", 5, 2 ** 40, "i32", 5],
  ["i32", "mul", 5, 2 ** 33 + 3, "i32", 15],
  ["u8", "maximum", 3, -1, "u8", 3],
  ["u8", "minimum", 3, 300, "u8", 3],
  ["u8", "lt", 255, 256, "bool", 1],
  ["u8", "gt", 0, -1, "bool", 1],
  ["u8", "eq", 255, 300, "bool", 0],
  ["u8", "ne", 0, -100, "bool", 1],
  ["u8", "logicalAnd", 3, 256, "bool", 1],
  ["i32", "lt", I32_MAX, 2 ** 31, "bool", 1],
  ["i32", "eq", I32_MAX, 2 ** 31, "bool", 0],
  ["i32", "ge", I32_MAX, 2 ** 40, "bool", 0],
  ["i32", "gt", I32_MIN, I32_MIN - 1, "bool", 1],
  ["i32", "eq", I32_MIN, I32_MIN - 1, "bool", 0],
  ["bool", "le", 1, 2 ** 40, "bool", 1],
  ["f16", "div", 60000, 65536, "f16", 0.91552734375],
  ["f16", "mul", 60000, 1e-8, "f16", 0.0005998611450195312],
  ["f16", "mul", 0.01, 1e5, "f16", 1000],
  ["f16", "pow", 4, 0.50005, "f16", 2],
  ["f16", "eq", 0.1, 0.1, "bool", 1],
  ["f16", "maximum", 0.01, 0.1, "f16", 0.0999755859375],
  ["bf16", "mul", 256, 1.001953125, "bf16", 256],
  ["bf16", "div", 1000, 999, "bf16", 1],
  ["bf16", "sub", 1000, 999, "bf16", 1],
];

function lineCase([dtype, op, x, number, output, want]: Line): SuiteCase {
  return {
    name: `numbers/${dtype} ${x} ${op} ${number}`,
    needs: [dtype],
    run: (c) =>
      [[], [3]].map((shape) => {
        const values = new Float64Array(shape.length === 0 ? 1 : 3);
        const { tensor } = c.operand(shape, { dtype, values: values.map(() => x) });
        const tolerance = { rtol: output === "f32" ? 1e-6 : 0, atol: 0 };
        const data = values.map(() => want);
        return { got: BINARY_FUNCTIONS[op](tensor, number), want: { shape, data }, dtype: output, tolerance };
      }),
  };
}

/** A function of halves, and what it and its gradient are at x. */
type Slope = readonly [name: string, x: number, fn: (x: Tensor) => Tensor, want: number, slope: number];

const SLOPES: readonly Slope[] = [
  ["div 65536", 60000, (x) => x.div(65536), 0.91552734375, 1.52587890625e-5],
  ["mul 1e-6", 60000, (x) => x.mul(1e-6), 0.05999755859375, 1.0132789611816406e-6],
  ["pow 0.3", 1, (x) => x.pow(0.3), 1, 0.300048828125],
  ["add 0.1, sub 0.1", 3, (x) => x.add(0.1).sub(0.1), 3, 1],
  ["as a divisor", 300, (x) => onesLike(x).mul(3e4).div(x), 100, -1 / 3],
];

function slopeCase([name, at, fn, want, slope]: Slope): SuiteCase {
  return {
    name: `numbers/gradient of f16 ${name}`,
    needs: ["f16"],
    run: (c) =>
      [[], [1]].flatMap((shape) => {
        const x = c.operand(shape, { dtype: "f16", values: [at] }).tensor.requiresGrad_();
        const y = fn(x);
        const [gradient] = gradients(y, [x]);
        const tolerance = { rtol: 2e-3, atol: 0 };
        return [
          { what: "value", got: y, want: { shape, data: Float64Array.of(want) }, dtype: "f16", tolerance },
          { what: "gradient", got: gradient!, want: { shape, data: Float64Array.of(slope) }, dtype: "f16", tolerance },
        ];
      }),
  };
}

/** A scalar tensor counts like a number: it is not rounded to the half beside it. */
const SCALAR_TENSOR: SuiteCase = {
  name: "numbers/f16 beside a scalar tensor of f32",
  needs: ["f16"],
  run: (c) => {
    const [x, scalar] = [c.operand([2], { dtype: "f16", values: [60000, 30000] }), c.operand([], { values: [65536] })];
    const want = { shape: [2], data: Float64Array.of(0.91552734375, 0.457763671875) };
    return { got: x.tensor.div(scalar.tensor), want, dtype: "f16" };
  },
};

/** Cases of numbers beside tensors. */
export const NUMBER_CASES: readonly SuiteCase[] = [...LINES.map(lineCase), ...SLOPES.map(slopeCase), SCALAR_TENSOR];

/** NaN, infinities, -0 and the largest numbers, elementwise, in tests, choices, casts and reductions. */
import * as core from "../../../../core/mod.ts";
import type { BinaryOp, UnaryOp } from "../../../../core/mod.ts";
import { generate, map } from "../../oracle/dense.ts";
import { BINARY, combine, UNARY } from "../../oracle/elementwise.ts";
import { reduce, REDUCTIONS } from "../../oracle/reduce.ts";
import type { SuiteCase } from "../suite_case.ts";
import { BINARY_FUNCTIONS, BINARY_OPS } from "./binary.ts";
import { UNARY_FUNCTIONS, UNARY_OPS } from "./unary.ts";

const SPECIAL: readonly number[] = [NaN, Infinity, -Infinity, -0, 0, 1, -1, 3.4e38, -3.4e38, 1e-40];

/** Where x goes to -Infinity these go to 0, and x times that is NaN in some libraries: no value is promised there. */
const UNPROMISED: ReadonlySet<UnaryOp> = new Set<UnaryOp>(["silu", "gelu", "geluTanh"]);

function unaryCase(op: UnaryOp): SuiteCase {
  const values = UNPROMISED.has(op) ? SPECIAL.filter((x) => Math.abs(x) < 1e30) : SPECIAL;
  return {
    name: `special/${op}`,
    needs: ["nonFinite"],
    run: (c) => {
      const x = c.operand([values.length], { values });
      const want = map(x.dense, (v) => Math.fround(UNARY[op](v)));
      return { got: UNARY_FUNCTIONS[op](x.tensor), want };
    },
  };
}

/** Every special value with every other. */
function binaryCase(op: BinaryOp): SuiteCase {
  return {
    name: `special/${op}`,
    needs: ["nonFinite"],
    run: (c) => {
      const [a, b] = [
        c.operand([SPECIAL.length, 1], { values: SPECIAL }),
        c.operand([SPECIAL.length], { values: SPECIAL }),
      ];
      const want = combine(a.dense, b.dense, (x, y) => Math.fround(BINARY[op](x, y)));
      return { got: BINARY_FUNCTIONS[op](a.tensor, b.tensor), want };
    },
  };
}

/** The sign of zero is told by its reciprocal. */
const NEGATIVE_ZERO: SuiteCase = {
  name: "special/-0 stays -0",
  needs: ["nonFinite"],
  run: (c) => {
    const zeros = c.operand([2], { values: [-0, 0] });
    const want = generate([2], ([i]) => i === 0 ? -Infinity : Infinity);
    return [
      { what: "copied", got: core.clone(zeros.tensor).reciprocal(), want },
      { what: "negated", got: core.neg(core.neg(zeros.tensor)).reciprocal(), want },
      { what: "as f16", got: zeros.tensor.to("f16").to("f32").reciprocal(), want },
    ];
  },
};

/** What is not chosen has no influence. */
const CHOICE: SuiteCase = {
  name: "special/where hides NaN",
  needs: ["nonFinite"],
  run: (c) => {
    const [condition, hidden] = [
      c.operand([3], { dtype: "bool", values: [1, 0, 1] }),
      c.operand([3], { values: [1, NaN, Infinity] }),
    ];
    const got = core.where(condition.tensor, hidden.tensor, 0);
    return { got, want: { shape: [3], data: Float64Array.of(1, 0, Infinity) } };
  },
};

const HALVES: SuiteCase = {
  name: "special/casts to halves",
  needs: ["nonFinite", "f16", "bf16"],
  run: (c) => {
    const values = [NaN, Infinity, -Infinity, 65504, 65520, -65520, 1e-8, 6e-8, 2 ** -25, 1.0009765625, 2049];
    const x = c.operand([values.length], { values });
    const exact = { rtol: 0, atol: 0 };
    return [
      {
        what: "f16",
        got: x.tensor.to("f16"),
        want: c.operand([values.length], { values, dtype: "f16" }).dense,
        tolerance: exact,
      },
      {
        what: "bf16",
        got: x.tensor.to("bf16"),
        want: c.operand([values.length], { values, dtype: "bf16" }).dense,
        tolerance: exact,
      },
    ];
  },
};

/** NaN wins in extremes; an infinity stays. */
const EXTREMES: SuiteCase = {
  name: "special/reductions",
  needs: ["nonFinite"],
  run: (c) => {
    const x = c.operand([4, 3], { values: [1, NaN, 2, Infinity, 1, 5, -Infinity, 1, -7, Infinity, 0, -Infinity] });
    const over = (op: keyof typeof REDUCTIONS) => reduce(x.dense, [1], false, REDUCTIONS[op]);
    return [
      { what: "amax", got: core.amax(x.tensor, { dim: 1 }), want: over("max") },
      { what: "amin", got: core.amin(x.tensor, { dim: 1 }), want: over("min") },
      { what: "argmax", got: core.argmax(x.tensor, { dim: 1 }), want: over("argmax") },
      { what: "argmin", got: core.argmin(x.tensor, { dim: 1 }), want: over("argmin") },
      { what: "sum", got: core.sum(x.tensor, { dim: 1 }), want: over("sum") },
    ];
  },
};

/** NaN is the largest in order. */
const ORDER: SuiteCase = {
  name: "special/sort",
  needs: ["nonFinite"],
  run: (c) => {
    const x = c.operand([5], { values: [2, NaN, -Infinity, Infinity, 1] });
    const up = core.sort(x.tensor, { dim: 0 });
    const down = core.sort(x.tensor, { dim: 0, descending: true });
    return [
      { got: up.values, want: { shape: [5], data: Float64Array.of(-Infinity, 1, 2, Infinity, NaN) } },
      { got: up.indices, want: { shape: [5], data: Float64Array.of(2, 4, 0, 3, 1) } },
      { got: down.values, want: { shape: [5], data: Float64Array.of(NaN, Infinity, 2, 1, -Infinity) } },
    ];
  },
};

/** A masked element gets weight 0, and a NaN spoils its own row alone. */
const SOFTMAX: SuiteCase = {
  name: "special/softmax",
  needs: ["nonFinite"],
  run: (c) => {
    const x = c.operand([3, 2], { values: [0, -Infinity, NaN, 1, 1, 1] });
    return { got: core.softmax(x.tensor, 1), want: { shape: [3, 2], data: Float64Array.of(1, 0, NaN, NaN, 0.5, 0.5) } };
  },
};

/** In a product 0 times an infinity is NaN, as IEEE 754 has it. */
const PRODUCT: SuiteCase = {
  name: "special/matmul",
  needs: ["nonFinite"],
  run: (c) => {
    const a = c.operand([3, 2], { values: [1, Infinity, 0, Infinity, NaN, 1] });
    const b = c.operand([2, 2], { values: [1, 2, 0, 1] });
    const want = { shape: [3, 2], data: Float64Array.of(NaN, Infinity, NaN, Infinity, NaN, NaN) };
    return { got: core.matmul(a.tensor, b.tensor), want };
  },
};

/** Cases of special values. */
export const SPECIAL_CASES: readonly SuiteCase[] = [
  ...UNARY_OPS.map(unaryCase),
  ...BINARY_OPS.map(binaryCase),
  NEGATIVE_ZERO,
  CHOICE,
  HALVES,
  EXTREMES,
  ORDER,
  SOFTMAX,
  PRODUCT,
];

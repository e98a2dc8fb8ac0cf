/** What works row by row, and has a fused kernel or its composition: softmax, norms, gated units. */
import * as core from "../../../../core/mod.ts";
import { map } from "../../oracle/dense.ts";
import { type PlainDType, roundTo } from "../../oracle/elements.ts";
import { combine, UNARY } from "../../oracle/elementwise.ts";
import * as oracle from "../../oracle/rows.ts";
import { layoutsFor } from "../layouts.ts";
import type { SuiteCase } from "../suite_case.ts";

function softmaxCases(shape: readonly number[], dtype: PlainDType): SuiteCase[] {
  const round = (v: number): number => roundTo(dtype, v);
  return layoutsFor(shape).flatMap((layout) =>
    shape.map((_, dim): SuiteCase => ({
      name: `softmax/${dtype} [${shape}] along ${dim} ${layout.name}`,
      needs: [dtype],
      run: (c) => {
        const x = c.operand(shape, { dtype, layout, low: -9, high: 9 });
        const logs = map(oracle.logSoftmax(x.dense, dim), round);
        return [
          { what: "softmax", got: core.softmax(x.tensor, dim), want: map(oracle.softmax(x.dense, dim), round), dtype },
          { what: "logSoftmax", got: core.logSoftmax(x.tensor, dim), want: logs, dtype },
        ];
      },
    }))
  );
}

/** Values whose exponentials would overflow, and a row masked but for one element. */
const LARGE: SuiteCase = {
  name: "softmax/large values",
  run: (c) => {
    const x = c.operand([2, 4], { values: [1e4, 1e4, -1e4, 0, -1e9, -1e9, -1e9, 5] });
    return { got: core.softmax(x.tensor, -1), want: oracle.softmax(x.dense, 1) };
  },
};

const EPS = 1e-5;

function normCases(shape: readonly number[], dtype: PlainDType): SuiteCase[] {
  const size = [shape.at(-1)!];
  const round = (v: number): number => roundTo(dtype, v);
  return layoutsFor(shape).map((layout) => ({
    name: `norm/${dtype} [${shape}] ${layout.name}`,
    needs: [dtype],
    run: (c) => {
      const x = c.operand(shape, { dtype, layout });
      const [weight, bias] = [c.operand(size, { dtype, layout: layoutsFor(size).at(-1)! }), c.operand(size, { dtype })];
      const affine = { weight: weight.tensor, eps: EPS };
      return [{
        what: "rmsNorm",
        got: core.rmsNorm(x.tensor, affine),
        want: map(oracle.rmsNorm(x.dense, weight.dense, EPS), round),
        dtype,
      }, {
        what: "layerNorm",
        got: core.layerNorm(x.tensor, size, { ...affine, bias: bias.tensor }),
        want: map(oracle.layerNorm(x.dense, weight.dense, bias.dense, EPS), round),
        dtype,
      }];
    },
  }));
}

function gatedCases(shape: readonly number[], dtype: PlainDType): SuiteCase[] {
  return layoutsFor(shape).map((layout) => ({
    name: `siluMul/${dtype} [${shape}] ${layout.name}`,
    needs: [dtype],
    run: (c) => {
      const [gate, up] = [c.operand(shape, { dtype, layout }), c.operand(shape, { dtype })];
      const want = combine(gate.dense, up.dense, (g, u) => roundTo(dtype, UNARY.silu(g) * u));
      return { got: core.swiglu(gate.tensor, up.tensor), want, dtype };
    },
  }));
}

const SHAPES: readonly (readonly number[])[] = [[7], [3, 5], [2, 3, 65], [1, 1], [0, 3]];
const OTHER_DTYPES: readonly PlainDType[] = ["f16", "bf16", "f64"];

/** Cases of row-wise functions. */
export const ROW_CASES: readonly SuiteCase[] = [
  ...[softmaxCases, normCases, gatedCases].flatMap((cases) => [
    ...SHAPES.flatMap((shape) => cases(shape, "f32")),
    ...OTHER_DTYPES.flatMap((dtype) => cases([3, 5], dtype)),
  ]),
  LARGE,
];

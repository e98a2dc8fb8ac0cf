/** Reductions over every subset of dims, and running ones, in all layouts. */
import * as core from "../../../../core/mod.ts";
import type { ReduceOp, Tensor } from "../../../../core/mod.ts";
import type { Dense } from "../../oracle/dense.ts";
import { type PlainDType, roundTo } from "../../oracle/elements.ts";
import { reduce, REDUCTIONS, scan } from "../../oracle/reduce.ts";
import { type LayoutCase, layoutsFor } from "../layouts.ts";
import type { SuiteCase } from "../suite_case.ts";

type Reducer = (x: Tensor, options: { dim?: number | number[]; keepdim?: boolean }) => Tensor;

const REDUCERS: Readonly<Record<Exclude<ReduceOp, "argmax" | "argmin">, Reducer>> = {
  sum: core.sum,
  prod: core.prod,
  max: core.amax,
  min: core.amin,
  any: core.any,
  all: core.all,
};

function subsets(dims: readonly number[]): number[][] {
  if (dims.length === 0) return [[]];
  const [first, ...rest] = dims;
  return subsets(rest).flatMap((subset) => [subset, [first!, ...subset]]);
}

function reduceCase(
  op: keyof typeof REDUCERS,
  dtype: PlainDType,
  shape: readonly number[],
  layout: LayoutCase,
  dims: number[],
): SuiteCase {
  return {
    name: `reduce/${op} ${dtype} [${shape}] over [${dims}] ${layout.name}`,
    needs: [dtype],
    run: (c) => {
      const truth = op === "any" || op === "all";
      const x = c.operand(shape, { dtype: truth ? "bool" : dtype, layout });
      const round = (v: number): number => truth ? v : roundTo(dtype, v);
      return [false, true].map((keepdim) => ({
        what: keepdim ? "keepdim" : "plain",
        got: REDUCERS[op](x.tensor, { dim: dims, keepdim }),
        want: reduce(x.dense, dims, keepdim, (values) => round(REDUCTIONS[op](values))),
        dtype: truth ? "bool" : dtype,
      }));
    },
  };
}

function casesOf(op: keyof typeof REDUCERS): SuiteCase[] {
  const shapes = [[7], [3, 5], [2, 3, 5], [1, 17, 1]];
  const all = shapes.flatMap((shape) =>
    layoutsFor(shape).flatMap((layout) =>
      subsets(shape.map((_, d) => d)).filter((dims) => dims.length > 0).map((dims) =>
        reduceCase(op, "f32", shape, layout, dims)
      )
    )
  );
  const others: readonly PlainDType[] = ["f16", "bf16", "f64", "i32"];
  return [
    ...all,
    ...others.flatMap((dtype) => layoutsFor([3, 5]).map((layout) => reduceCase(op, dtype, [3, 5], layout, [1]))),
  ];
}

/** Few values, so that extremes are equal and the first must win. */
function argCases(op: "argmax" | "argmin", shape: readonly number[]): SuiteCase[] {
  const fn = op === "argmax" ? core.argmax : core.argmin;
  return layoutsFor(shape).flatMap((layout) =>
    shape.map((_, dim): SuiteCase => ({
      name: `reduce/${op} [${shape}] along ${dim} ${layout.name}`,
      run: (c) => {
        const x = c.operand(shape, { dtype: "i32", layout, low: -0.2, high: 0.3 });
        return [
          { got: fn(x.tensor, { dim }), want: reduce(x.dense, [dim], false, REDUCTIONS[op]), dtype: "i32" },
          { got: fn(x.tensor), want: reduce(x.dense, shape.map((_, d) => d), false, REDUCTIONS[op]), dtype: "i32" },
        ];
      },
    }))
  );
}

function scanCases(shape: readonly number[]): SuiteCase[] {
  return layoutsFor(shape).flatMap((layout) =>
    shape.map((_, dim): SuiteCase => ({
      name: `scan/[${shape}] along ${dim} ${layout.name}`,
      run: (c) => {
        const x = c.operand(shape, { layout });
        return [
          { what: "cumsum", got: core.cumsum(x.tensor, dim), want: scan(x.dense, dim, "sum"), dtype: "f32" },
          { what: "cumprod", got: core.cumprod(x.tensor, dim), want: scan(x.dense, dim, "prod"), dtype: "f32" },
        ];
      },
    }))
  );
}

/** Over no elements a sum is 0 and a product 1. */
const EMPTY: SuiteCase = {
  name: "reduce/over no elements",
  run: (c) => {
    const x = c.operand([3, 0]);
    const filled = (value: number): Dense => ({ shape: [3], data: new Float64Array(3).fill(value) });
    return [
      { what: "sum", got: core.sum(x.tensor, { dim: 1 }), want: filled(0) },
      { what: "prod", got: core.prod(x.tensor, { dim: 1 }), want: filled(1) },
      { what: "any", got: core.any(x.tensor, { dim: 1 }), want: filled(0) },
      { what: "all", got: core.all(x.tensor, { dim: 1 }), want: filled(1) },
      { what: "no rows", got: core.amax(x.tensor, { dim: 0 }), want: { shape: [0], data: new Float64Array(0) } },
    ];
  },
};

/** A long row: accumulation in f32 or better keeps within the tolerance. */
const LONG: SuiteCase = {
  name: "reduce/sum of 100000 elements",
  run: (c) => {
    const x = c.operand([100000], { low: 0, high: 1 });
    return { got: core.sum(x.tensor), want: reduce(x.dense, [0], false, REDUCTIONS.sum) };
  },
};

/** Without a dim, extremes are of all elements. */
const OF_ALL: SuiteCase = {
  name: "reduce/max and min of all elements",
  run: (c) => {
    const x = c.operand([3, 5]);
    return [
      { what: "max", got: core.max(x.tensor), want: reduce(x.dense, [0, 1], false, REDUCTIONS.max) },
      { what: "min", got: core.min(x.tensor), want: reduce(x.dense, [0, 1], false, REDUCTIONS.min) },
    ];
  },
};

/** Cases of reductions and scans. */
export const REDUCE_CASES: readonly SuiteCase[] = [
  ...(Object.keys(REDUCERS) as (keyof typeof REDUCERS)[]).flatMap(casesOf), // keys() forgets the key type
  ...[[7], [3, 5], [2, 3, 5]].flatMap((shape) => [...argCases("argmax", shape), ...argCases("argmin", shape)]),
  ...[[7], [3, 5], [2, 3, 5], [0, 3]].flatMap(scanCases),
  EMPTY,
  OF_ALL,
  LONG,
];

/**
 * Means, variances, norms and losses of halves whose sums or squares pass 65504 where the result does not, and gradients at
 * points where a root, a bound or a tie is. What is wanted is what PyTorch 2.15 gives, or would in exact arithmetic.
 */
import * as core from "../../../../core/mod.ts";
import type { Tensor } from "../../../../core/mod.ts";
import type { PlainDType } from "../../oracle/elements.ts";
import type { SuiteCase } from "../suite_case.ts";

/** A scalar function of halves, and what it and its gradient are; the elements are repeated `times`. */
interface Half {
  readonly name: string;
  readonly values: readonly number[];
  readonly times?: number;
  readonly fn: (x: Tensor) => Tensor;
  readonly want: number;
  /** Of the first elements, as many as `values`. */
  readonly slopes: readonly number[];
}

const HALVES: readonly Half[] = [
  { name: "mean", values: [20], times: 4096, fn: (x) => core.mean(x), want: 20, slopes: [2 ** -12] },
  { name: "mean of 70000", values: [1], times: 70000, fn: (x) => core.mean(x), want: 1, slopes: [1 / 70000] },
  {
    name: "variance",
    values: [300, 302],
    times: 2048,
    fn: (x) => core.variance(x, { correction: 0 }),
    want: 1,
    slopes: [-1 / 2048, 1 / 2048],
  },
  {
    name: "std",
    values: [300, -300, 300, -300],
    fn: (x) => core.std(x),
    want: 346.41016,
    slopes: [0.288675, -0.288675, 0.288675, -0.288675],
  },
  { name: "vectorNorm", values: [300, 400], fn: (x) => core.vectorNorm(x), want: 500, slopes: [0.6, 0.8] },
  {
    name: "vectorNorm of order 3",
    values: [300, 400, -500],
    fn: (x) => core.vectorNorm(x, { p: 3 }),
    want: 600,
    slopes: [0.25, 0.444444, -0.694444],
  },
  {
    name: "logsumexp",
    values: [2],
    times: 70000,
    fn: (x) => core.logsumexp(x),
    want: 2 + Math.log(70000),
    slopes: [1 / 70000],
  },
  {
    name: "mseLoss",
    values: [300, 0, 0, 0],
    fn: (x) => core.mseLoss(x, core.zerosLike(x)),
    want: 22500,
    slopes: [150, 0, 0, 0],
  },
  {
    name: "mseLoss of a difference that bf16 rounds",
    values: [256],
    fn: (x) => core.mseLoss(x, core.full([1], 0.5, { dtype: x.dtype, backend: x.backend })),
    want: 65280.25,
    slopes: [511],
  },
  {
    name: "mseLoss of 70000",
    values: [2],
    times: 70000,
    fn: (x) => core.mseLoss(x, core.zerosLike(x)),
    want: 4,
    slopes: [4 / 70000],
  },
  {
    name: "crossEntropy of 70000 rows",
    values: [0, 0],
    times: 70000,
    fn: (x) => {
      const target = core.zeros([70000], { dtype: "i32", backend: x.backend });
      return core.crossEntropy(x.reshape([70000, 2]), target);
    },
    want: Math.LN2,
    slopes: [-0.5 / 70000, 0.5 / 70000],
  },
];

/** In either half; the values are those of both. */
function halfCase({ name, values, times = 1, fn, want, slopes }: Half, dtype: "f16" | "bf16"): SuiteCase {
  return {
    name: `statistics/${name} ${dtype}`,
    needs: [dtype],
    run: (c) => {
      const shape = [values.length * times];
      const all = Float64Array.from({ length: shape[0]! }, (_, i) => values[i % values.length]!);
      const x = c.operand(shape, { dtype, values: all }).tensor.requiresGrad_();
      const y = fn(x);
      const first = core.gradients(y, [x])[0]!.narrow(0, 0, slopes.length);
      const tolerance = { rtol: dtype === "f16" ? 2e-3 : 2e-2, atol: 2e-7 };
      return [
        { what: "value", got: y, want: { shape: [], data: Float64Array.of(want) }, dtype, tolerance },
        {
          what: "gradient",
          got: first,
          want: { shape: [slopes.length], data: Float64Array.from(slopes) },
          dtype,
          tolerance,
        },
      ];
    },
  };
}

/** Functions where their gradient is a choice, which is PyTorch's. */
const POINTS: readonly (readonly [string, readonly number[], (x: Tensor) => Tensor, readonly number[]])[] = [
  ["std of equal elements", [2, 2, 2], (x) => core.std(x), [0, 0, 0]],
  ["std of one element", [2], (x) => core.std(x, { correction: 0 }), [0]],
  ["vectorNorm of zeros", [0, 0], (x) => core.vectorNorm(x), [0, 0]],
  ["elu at 0", [0, -0], (x) => core.elu(x, 2), [2, 2]],
  ["leakyRelu at 0", [0], (x) => core.leakyRelu(x, 0.25), [0.25]],
  ["softplus at 0", [0], (x) => core.softplus(x), [0.5]],
  ["logSigmoid at 0", [0], (x) => core.logSigmoid(x), [0.5]],
  ["mish at 0", [0], (x) => core.mish(x), [0.6]],
  ["reluSquared at 0", [0], (x) => core.reluSquared(x), [0]],
  ["hardswish at its bounds", [-3, 3], (x) => core.hardswish(x), [0, 1]],
  ["clamp at its bounds", [-1, 0, 1, 2], (x) => core.clamp(x, { min: -1, max: 1 }), [0, 1, 0, 0]],
  ["abs at 0", [0], (x) => core.abs(x), [0]],
];

function pointCase([name, values, fn, slopes]: (typeof POINTS)[number]): SuiteCase {
  return {
    name: `statistics/gradient of ${name}`,
    run: (c) => {
      const shape = [values.length];
      const x = c.operand(shape, { values }).tensor.requiresGrad_();
      const [got] = core.gradients(fn(x).sum(), [x]);
      return { got: got!, want: { shape, data: Float64Array.from(slopes) } };
    },
  };
}

/** Ints and bools have a mean where a dtype is asked for, and a result is of the dtype asked for. */
function askedCase(dtype: PlainDType): SuiteCase {
  return {
    name: `statistics/${dtype} in f32`,
    needs: [dtype],
    run: (c) => {
      const x = c.operand([2], { dtype, values: [0, 1] }).tensor;
      const of = (value: number) => ({ shape: [], data: Float64Array.of(value) });
      return [
        { what: "mean", got: core.mean(x, { dtype: "f32" }), want: of(0.5), dtype: "f32" },
        { what: "variance", got: core.variance(x, { dtype: "f32" }), want: of(0.5), dtype: "f32" },
        { what: "vectorNorm", got: core.vectorNorm(x, { dtype: "f32" }), want: of(1), dtype: "f32" },
        { what: "logsumexp", got: core.logsumexp(x, { dtype: "f32" }), want: of(Math.log(1 + Math.E)), dtype: "f32" },
      ];
    },
  };
}

/** Cases of what is composed of reductions. */
export const STATISTIC_CASES: readonly SuiteCase[] = [
  ...HALVES.flatMap((half) => [halfCase(half, "f16"), halfCase(half, "bf16")]),
  ...POINTS.map(pointCase),
  ...(["i32", "bool", "f16"] as const).map(askedCase),
];

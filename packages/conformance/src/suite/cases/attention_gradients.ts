/**
 * Gradients of attention: against differences in f64 for every option, through the fused kernel's backward pass and through the
 * composition; and one against the other where the backward pass goes in several steps.
 */
import * as core from "../../../../core/mod.ts";
import { type Backend, gradcheck, type Tensor } from "../../../../core/mod.ts";
import { mismatch } from "../../compare.ts";
import type { AsyncSuiteCase } from "../suite_case.ts";
import { unfused } from "../unfused.ts";

/** What gradients are asked of: query, key, value, then one operand more. */
interface Differentiable {
  readonly name: string;
  /** Shape of the operand that `options` is given. */
  readonly extra?: readonly number[];
  readonly options?: (backend: Backend, extra: Tensor) => core.AttentionOptions;
  /** What of the result is differentiated; the output when left out. */
  readonly result?: (query: Tensor, key: Tensor, value: Tensor, options: core.AttentionOptions) => Tensor;
}

const QUERY = [2, 4, 3, 2];
const KEY = [2, 2, 4, 2];
const VALUE = [2, 2, 4, 3];

const OPS: readonly Differentiable[] = [
  { name: "plain" },
  { name: "causal", options: () => ({ causal: "lower-right" }) },
  { name: "window, empty rows", options: () => ({ causal: "upper-left", window: { left: 0 }, offset: 3 }) },
  { name: "softcap, scale", options: () => ({ softcap: 0.8, scale: 1.3 }) },
  { name: "interleaved", options: () => ({ headGrouping: "interleaved" }) },
  { name: "dropout", options: () => ({ dropout: 0.4, seed: 5 }) },
  {
    name: "bool mask",
    options: (backend) => ({ mask: core.tensor([[true, false, true, true]], { backend }) }),
  },
  {
    name: "key lengths",
    options: (backend) => ({ keyLengths: core.tensor([3, 0], { dtype: "i32", backend }), causal: "lower-right" }),
  },
  { name: "float mask", extra: [4, 3, 4], options: (_, mask) => ({ mask }) },
  { name: "sinks", extra: [4], options: (_, sinks) => ({ sinks, causal: "lower-right" }) },
  { name: "alibi", extra: [4], options: (_, alibiSlopes) => ({ alibiSlopes }) },
  { name: "scoreMod", options: () => ({ scoreMod: (score, _b, h) => score.mul(h.add(1).to(score.dtype)).sin() }) },
  {
    name: "logSumExp",
    extra: [4],
    options: (_, sinks) => ({ sinks }),
    result: (query, key, value, options) =>
      core.attention(query, key, value, { ...options, returns: { logSumExp: true } }).logSumExp,
  },
  {
    name: "weights",
    options: () => ({ causal: "lower-right" }),
    result: (query, key, value, options) =>
      core.attention(query, key, value, { ...options, returns: { weights: true } }).weights,
  },
];

function draw(shapes: readonly (readonly number[])[], backend: Backend): Tensor[] {
  return shapes.map((shape, i) => core.randn(shape, { seed: 40 + i, dtype: "f64", backend }));
}

function checkOf(op: Differentiable, way: string, change: (backend: Backend) => Backend): AsyncSuiteCase {
  const { result = core.scaledDotProductAttention } = op;
  return {
    name: `gradient/attention ${op.name}${way}`,
    needs: ["f64"],
    runAsync: async (backend) => {
      const inputs = draw([QUERY, KEY, VALUE, ...(op.extra === undefined ? [] : [op.extra])], change(backend));
      const fn = (...[query, key, value, extra]: Tensor[]): Tensor =>
        core.tidy(() => result(query!, key!, value!, op.options?.(query!.backend, extra!) ?? {}));
      try {
        await gradcheck(fn, inputs);
      } finally {
        for (const input of inputs) input.dispose();
      }
    },
  };
}

/** Long enough for several steps of rows, the last one shorter. */
const inSteps = (dropout: number): AsyncSuiteCase => ({
  name: `gradient/attention in steps${dropout === 0 ? "" : ", dropout"}`,
  runAsync: async (backend) => {
    const got = gradientsOn(backend, dropout);
    const want = gradientsOn(unfused(backend), dropout);
    try {
      for (const [i, name] of ["query", "key", "value", "sinks"].entries()) {
        const [mine, theirs] = [got[i]!, want[i]!];
        const tolerance = { rtol: 1e-3, atol: 1e-4 };
        const problem = mismatch(await mine.data(), Float64Array.from(await theirs.data()), mine.shape, tolerance);
        if (problem !== undefined) throw new Error(`${name}: ${problem}`);
      }
    } finally {
      for (const tensor of [...got, ...want]) tensor.dispose();
    }
  },
});

function gradientsOn(backend: Backend, dropout: number): Tensor[] {
  return core.tidy(() => {
    const shapes = [[1, 4, 130, 4], [1, 2, 900, 4], [1, 2, 900, 3], [4]];
    const inputs = shapes.map((shape, i) => core.randn(shape, { seed: i, backend }).requiresGrad_());
    const [query, key, value, sinks] = inputs as [Tensor, Tensor, Tensor, Tensor]; // four shapes
    const options = { causal: "lower-right", softcap: 3, sinks, dropout, seed: 8 } as const;
    const output = core.scaledDotProductAttention(query, key, value, options);
    return core.gradients(output.square().sum(), inputs);
  });
}

/** Cases of attention's gradients. */
export const ATTENTION_GRADIENT_CASES: readonly AsyncSuiteCase[] = [
  ...OPS.map((op) => checkOf(op, "", (backend) => backend)),
  ...OPS.map((op) => checkOf(op, ", composed", unfused)),
  inSteps(0),
  inSteps(0.3),
];

/**
 * Gradients against differences in f64, for every op that has one: first with contiguous operands, then through views, and both
 * ways to ask for them.
 */
import * as core from "../../../../core/mod.ts";
import { type Backend, fromBytes, gradcheck, type Tensor } from "../../../../core/mod.ts";
import { count } from "../../oracle/dense.ts";
import { encode } from "../../oracle/elements.ts";
import { RandomSource } from "../random_source.ts";
import type { AsyncSuiteCase } from "../suite_case.ts";

interface Differentiable {
  readonly name: string;
  readonly shapes: readonly (readonly number[])[];
  readonly low?: number;
  readonly high?: number;
  /** Operands on the backend that are no variables: indices, masks. */
  readonly fn: (backend: Backend, ...inputs: Tensor[]) => Tensor;
}

function one(name: string, fn: (x: Tensor) => Tensor, range: { low?: number; high?: number } = {}): Differentiable {
  return { name, shapes: [[2, 3]], fn: (_, x) => fn(x!), ...range };
}

function two(name: string, fn: (a: Tensor, b: Tensor) => Tensor): Differentiable {
  return { name, shapes: [[2, 1, 3], [2, 3]], fn: (_, a, b) => fn(a!, b!), low: 0.3, high: 2 };
}

const POSITIVE = { low: 0.3, high: 3 };

const ELEMENTWISE: readonly Differentiable[] = [
  one("neg", core.neg),
  one("abs", core.abs),
  one("square", core.square),
  one("exp", core.exp),
  one("exp2", core.exp2),
  one("expm1", core.expm1),
  one("log", core.log, POSITIVE),
  one("log2", core.log2, POSITIVE),
  one("log1p", core.log1p, POSITIVE),
  one("sqrt", core.sqrt, POSITIVE),
  one("rsqrt", core.rsqrt, POSITIVE),
  one("reciprocal", core.reciprocal, POSITIVE),
  one("sin", core.sin),
  one("cos", core.cos),
  one("tanh", core.tanh),
  one("erf", core.erf),
  one("sigmoid", core.sigmoid),
  one("relu", core.relu),
  one("silu", core.silu),
  one("gelu", (x) => core.gelu(x)),
  one("gelu tanh", (x) => core.gelu(x, "tanh")),
  one("softplus", core.softplus),
  one("leakyRelu", (x) => core.leakyRelu(x, 0.1)),
  one("elu", (x) => core.elu(x, 1.5)),
  one("mish", core.mish),
  one("reluSquared", core.reluSquared),
  one("logSigmoid", core.logSigmoid),
  one("hardswish", core.hardswish),
  one("quickGelu", core.quickGelu),
  one("clamp", (x) => core.clamp(x, { min: -0.7, max: 0.9 })),
  two("add", core.add),
  two("sub", core.sub),
  two("mul", core.mul),
  two("div", core.div),
  two("pow", core.pow),
  two("maximum", core.maximum),
  two("minimum", core.minimum),
  one("pow of a number", (x) => core.pow(x, 3)),
  {
    name: "where",
    shapes: [[2, 3], [3]],
    fn: (backend, a, b) => core.where(core.tensor([true, false, true], { backend }), a!, b!),
  },
  {
    name: "maskedFill",
    shapes: [[2, 3]],
    fn: (backend, x) => core.maskedFill(x!, core.tensor([true, false, false], { backend }), 0.5),
  },
];

const REDUCED: readonly Differentiable[] = [
  one("sum", (x) => core.sum(x, { dim: 1 })),
  one("mean", (x) => core.mean(x, { dim: 0, keepdim: true })),
  one("prod", (x) => core.prod(x, { dim: 1 })),
  one("amax", (x) => core.amax(x, { dim: 1 })),
  one("amin", (x) => core.amin(x, { dim: [0, 1] })),
  one("variance", (x) => core.variance(x, { dim: 1 })),
  one("std", (x) => core.std(x, { dim: 1 })),
  one("logsumexp", (x) => core.logsumexp(x, { dim: 1 })),
  one("vectorNorm", (x) => core.vectorNorm(x, { dim: 1 })),
  one("cumsum", (x) => core.cumsum(x, 1)),
  one("cumprod", (x) => core.cumprod(x, 1)),
  one("softmax", (x) => core.softmax(x, 0)),
  one("logSoftmax", (x) => core.logSoftmax(x, 1)),
  one("max", (x) => core.max(x, 1).values),
  one("max of all", (x) => core.max(x)),
  one("sort", (x) => core.sort(x, { dim: 1 }).values),
  one("topk", (x) => core.topk(x, 2, { dim: 1 }).values),
  { name: "rmsNorm", shapes: [[2, 5], [5]], fn: (_, x, weight) => core.rmsNorm(x!, { weight, eps: 1e-6 }) },
  {
    name: "layerNorm",
    shapes: [[2, 5], [5], [5]],
    fn: (_, x, weight, bias) => core.layerNorm(x!, [5], { weight, bias }),
  },
  { name: "groupNorm", shapes: [[2, 4, 3], [4]], fn: (_, x, weight) => core.groupNorm(x!, 2, { weight }) },
  one("normalize", (x) => core.normalize(x, { dim: 1 })),
  { name: "swiglu", shapes: [[2, 3], [2, 3]], fn: (_, gate, up) => core.swiglu(gate!, up!) },
  { name: "geglu", shapes: [[2, 3], [2, 3]], fn: (_, gate, up) => core.geglu(gate!, up!) },
  { name: "glu", shapes: [[2, 4]], fn: (_, x) => core.glu(x!, 1) },
  { name: "mseLoss", shapes: [[2, 3], [2, 3]], fn: (_, a, b) => core.mseLoss(a!, b!) },
  {
    name: "crossEntropy",
    shapes: [[4, 3]],
    fn: (backend, logits) => {
      const target = core.tensor([0, 2, -100, 1], { dtype: "i32", backend });
      return core.crossEntropy(logits!, target, { labelSmoothing: 0.1 });
    },
  },
];

function product(name: string, left: readonly number[], right: readonly number[]): Differentiable {
  return { name: `matmul ${name}`, shapes: [left, right], fn: (_, a, b) => core.matmul(a!, b!) };
}

const PRODUCTS: readonly Differentiable[] = [
  product("vectors", [3], [3]),
  product("matrix and vector", [2, 3], [3]),
  product("vector and matrix", [3], [3, 2]),
  product("matrices", [2, 3], [3, 2]),
  product("batches that broadcast", [2, 1, 2, 3], [3, 3, 2]),
  { name: "linear", shapes: [[2, 3], [4, 3], [4]], fn: (_, x, weight, bias) => core.linear(x!, weight!, bias) },
  { name: "einsum", shapes: [[2, 3, 2], [2, 2]], fn: (_, a, b) => core.einsum("bij,jk->bki", [a!, b!]) },
  { name: "einsum diagonal", shapes: [[3, 3]], fn: (_, a) => core.einsum("ii->i", [a!]) },
  { name: "outer", shapes: [[2], [3]], fn: (_, a, b) => core.outer(a!, b!) },
];

function indexed(backend: Backend, values: number[]): Tensor {
  return core.tensor(values, { dtype: "i32", backend });
}

const MOVED: readonly Differentiable[] = [
  one("views", (x) => x.transpose(0, 1).slice(0, 0, null, 2).reshape([-1]).unsqueeze(0).expand([3, 4])),
  one("narrow and select", (x) => x.narrow(1, 1, 2).select(0, 1)),
  one("unfold", (x) => x.unfold(1, 2, 1)),
  { name: "unfold, windows side by side", shapes: [[2, 7]], fn: (_, x) => x!.unfold(1, 2, 3) },
  { name: "unfold, windows of three, every second", shapes: [[9, 2]], fn: (_, x) => x!.unfold(0, 3, 2) },
  { name: "unfold, fewer windows than turns", shapes: [[6]], fn: (_, x) => x!.unfold(0, 5, 1) },
  { name: "unfold, a scalar", shapes: [[]], fn: (_, x) => x!.unfold(0, 1, 1) },
  { name: "diagonal", shapes: [[3, 3]], fn: (_, x) => x!.diagonal() },
  one("asStrided that repeats", (x) => x.clone().asStrided([2, 2], [1, 1], 1)),
  one("cast", (x) => x.to("f64").clone()),
  one(
    "split and chunk",
    (x) => core.cat([...x.split(2, 1), ...x.chunk(2, 0).map((part) => part.mul(2))].map((p) => p.flatten())),
  ),
  { name: "cat", shapes: [[2, 3], [1, 3]], fn: (_, a, b) => core.cat([a!, b!], 0) },
  { name: "stack", shapes: [[2, 3], [2, 3]], fn: (_, a, b) => core.stack([a!, b!], 1) },
  one("repeat", (x) => x.repeat([2, 1, 2])),
  one("repeatInterleave", (x) => x.repeatInterleave(2, 1)),
  one("flip", (x) => core.flip(x, [1])),
  one("roll", (x) => core.roll(x, 1, 1)),
  one("pad", (x) => core.pad(x, [1, 2, 0, 1], 0.5)),
  one("tril", (x) => core.tril(x)),
  one("triu", (x) => core.triu(x, 1)),
  { name: "gather", shapes: [[4]], fn: (backend, x) => core.gather(x!, 0, indexed(backend, [0, 3, 3])) },
  { name: "indexSelect", shapes: [[3, 2]], fn: (backend, x) => core.indexSelect(x!, 0, indexed(backend, [2, 0, 2])) },
  {
    name: "embedding",
    shapes: [[4, 2]],
    fn: (backend, weight) => core.embedding(weight!, indexed(backend, [1, 1, 3])),
  },
  {
    name: "scatterAdd",
    shapes: [[4], [3]],
    fn: (backend, x, source) => core.scatterAdd(x!, 0, indexed(backend, [0, 2, 2]), source!),
  },
  {
    name: "scatter",
    shapes: [[4], [3]],
    fn: (backend, x, source) => core.scatter(x!, 0, indexed(backend, [0, 2, 3]), source!),
  },
  {
    name: "indexAdd",
    shapes: [[3, 2], [2, 2]],
    fn: (backend, x, source) => core.indexAdd(x!, 0, indexed(backend, [2, 2]), source!),
  },
  one("dropout", (x) => core.dropout(x, 0.5, 7)),
];

function variables(backend: Backend, { name, shapes, low = -1.5, high = 1.5 }: Differentiable): Tensor[] {
  const random = new RandomSource(name);
  return shapes.map((shape) => {
    const values = Float64Array.from({ length: count(shape) }, () => random.between(low, high));
    return fromBytes(encode("f64", values), shape, "f64", { backend });
  });
}

function gradientCase(op: Differentiable): AsyncSuiteCase {
  return {
    name: `gradient/${op.name}`,
    needs: ["f64"],
    runAsync: async (backend) => {
      const inputs = variables(backend, op);
      try {
        await gradcheck((...args) => op.fn(backend, ...args), inputs);
      } finally {
        for (const input of inputs) input.dispose();
      }
    },
  };
}

/** Cases of gradients. */
export const GRADIENT_CASES: readonly AsyncSuiteCase[] = [...ELEMENTWISE, ...REDUCED, ...PRODUCTS, ...MOVED].map(
  gradientCase,
);

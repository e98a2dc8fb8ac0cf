import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { causalMask, gradcheck, GrowableKvCache, randn, ShapeError, type Tensor } from "../../core/mod.ts";
import {
  fromStateDict,
  GroupedQueryAttention,
  initialized,
  LayerNorm,
  Linear,
  Module,
  MultiHeadAttention,
  MultiheadGQA,
  type MultiheadGQAOptions,
  MultiQueryAttention,
  type ParameterSource,
  QkNormAttention,
  RMSNorm,
  SelfAttention,
} from "../mod.ts";

const backend = createScalarBackend();
const source = (): ParameterSource => initialized({ backend, seed: 4 });

function refuse(make: () => unknown, message: string): void {
  const before = backend.memory.liveStorages;
  assertThrows(make, ShapeError, message);
  assertEquals(backend.memory.liveStorages, before);
}

async function assertClose(got: Tensor, want: Tensor): Promise<void> {
  assertEquals(got.shape, want.shape);
  const [a, b] = [await got.data(), await want.data()];
  a.forEach((value, i) => assertAlmostEquals(value, b[i]!, 1e-5));
}

Deno.test("attention layers: heads and groups that do not divide are refused", () => {
  const make = (hiddenSize: number, numHeads: number, numGroups: number) => () =>
    new GroupedQueryAttention({ hiddenSize, numHeads, numGroups }, source());
  refuse(make(10, 4, 2), "Cannot make an attention layer of hidden size 10: its 4 heads should divide it");
  refuse(make(12, 4, 3), "Cannot make an attention layer of hidden size 12: its 3 groups should divide its 4 heads");
  refuse(make(12, 0, 1), "Cannot make an attention layer of hidden size 12: its 0 heads should divide it");
  using layer = make(12, 4, 2)();
  using x = randn([2, 3, 8], { seed: 1, backend });
  refuse(() => layer.forward(x), "Cannot attend to [2, 3, 8]: it should be [B, T, E] with E = 12");
});

Deno.test("attention layers: their key heads are as many as their names say", () => {
  using multi = new MultiHeadAttention({ hiddenSize: 12, numHeads: 4, bias: false }, source());
  using one = new MultiQueryAttention({ hiddenSize: 12, numHeads: 4 }, source());
  assertEquals([multi.k_linear.weight.shape, multi.k_linear.bias], [[12, 12], undefined]);
  assertEquals([one.v_linear.weight.shape, one.v_linear.bias!.shape], [[3, 12], [3]]);
});

Deno.test("attention layers: causal is the causal mask, the weights' rows sum to 1, and nothing leaks", async () => {
  using layer = new GroupedQueryAttention({ hiddenSize: 12, numHeads: 6, numGroups: 2 }, source());
  using x = randn([2, 5, 12], { seed: 2, backend });
  using mask = causalMask(5, { backend });
  const before = backend.memory.liveStorages;
  {
    using plain = layer.forward(x, { causal: "upper-left" });
    using masked = layer.forward(x, { mask });
    await assertClose(masked, plain);
    const { output, weights } = layer.outputs(x, { mask });
    assertEquals(weights.shape, [2, 6, 5, 5]);
    await assertClose(output, plain);
    using sums = weights.sum({ dim: 3 });
    (await sums.data()).forEach((sum) => assertAlmostEquals(sum, 1, 1e-6));
    output.dispose();
    weights.dispose();
  }
  assertEquals(backend.memory.liveStorages, before);
});

Deno.test("MultiheadGQA: sizes that do not fit are refused", () => {
  const make = (embedDim: number, queryHeads: number, kvHeads: number, dropout = 0) => () =>
    new MultiheadGQA({ embedDim, queryHeads, kvHeads, dropout }, source());
  const what = (e: number, h: number, k: number) => `Cannot make MultiheadGQA of embedDim ${e}, ${h} and ${k} heads: `;
  refuse(make(32, 4, 3), what(32, 4, 3) + "queryHeads should be a multiple of kvHeads");
  refuse(make(30, 4, 2), what(30, 4, 2) + "embedDim should be a multiple of queryHeads");
  refuse(make(20, 4, 2), what(20, 4, 2) + "the head size 5 should be a multiple of 8");
  refuse(make(288, 2, 1), what(288, 2, 1) + "the head size 144 should be at most 128");
  for (const dropout of [2, 1, -0.1, NaN]) {
    refuse(make(32, 4, 2, dropout), what(32, 4, 2) + `dropout ${dropout} is no probability below 1`);
  }
  const more = (options: Partial<MultiheadGQAOptions>) => () =>
    new MultiheadGQA({ embedDim: 32, queryHeads: 4, kvHeads: 2, ...options }, source());
  refuse(more({ gammaInit: NaN }), what(32, 4, 2) + "gammaInit NaN is no finite number");
  refuse(
    more({ layerNormEps: -1 }),
    "Cannot make MultiheadGQA with layerNormEps -1: it is a finite number of at least 0",
  );
});

Deno.test("MultiheadGQA: operands that do not fit are refused", () => {
  using layer = new MultiheadGQA({ embedDim: 16, queryHeads: 2, kvHeads: 1 }, source());
  const wrong: [number[], number[], number[]][] = [
    [[1, 2, 8], [1, 2, 16], [1, 2, 16]],
    [[1, 2, 16], [2, 2, 16], [2, 2, 16]],
    [[1, 2, 16], [1, 3, 16], [1, 4, 16]],
    [[2, 16], [2, 16], [2, 16]],
  ];
  for (const shapes of wrong) {
    const [query, key, value] = shapes.map((shape, seed) => randn(shape, { seed, backend })) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    const [q, k, v] = shapes.map((shape) => `[${shape.join(", ")}]`);
    refuse(
      () => layer.forward(query, key, value),
      `Cannot run MultiheadGQA with query ${q}, key ${k}, value ${v}: ` +
        "they should be [B, T, E], [B, S, E] and [B, S, E] with E = 16",
    );
    for (const x of [query, key, value]) x.dispose();
  }
});

Deno.test("MultiheadGQA: dropout drops in training only, by its seed", async () => {
  using layer = new MultiheadGQA({ embedDim: 16, queryHeads: 2, kvHeads: 1, dropout: 0.5 }, source());
  using x = randn([1, 6, 16], { seed: 3, backend });
  const run = async (seed?: number) => {
    const [output] = layer.forward(x, x, x, { seed });
    using result = output;
    return [...await result.data()].join();
  };
  const dropped = await run(1);
  assertEquals(await run(1), dropped);
  assertEquals(await run(2) === dropped, false);
  refuse(() => layer.forward(x, x, x), "seed");
  layer.eval();
  assertEquals(await run(), await run(1));
  assertEquals(await run() === dropped, false);
});

Deno.test("SelfAttention: sizes that do not fit are refused", () => {
  const make = (nEmbed: number, nHead: number, kvHead: number) => () =>
    new SelfAttention({ nEmbed, nHead, kvHead }, 0, source());
  refuse(make(10, 4, 2), "Cannot make SelfAttention of nEmbed 10: nHead 4 should divide it");
  refuse(make(16, 4, 3), "Cannot make SelfAttention of nEmbed 16: kvHead 3 should divide nHead 4");
  refuse(
    make(12, 4, 2),
    "Cannot make SelfAttention of nEmbed 12: the head size 3 should be even, since RoPE turns pairs",
  );
  refuse(
    make(16, 4, 4),
    "Cannot make SelfAttention of nEmbed 16: kvHead 4 should be smaller than nHead 4; QkNormAttention takes as many",
  );
  const general = () => new QkNormAttention({ nEmbed: 10, nHead: 4, kvHead: 2 }, 0, source());
  refuse(general, "Cannot make QkNormAttention of nEmbed 10: nHead 4 should divide it");
  using layer = make(16, 4, 2)();
  using x = randn([2, 8], { seed: 1, backend });
  refuse(() => layer.forward(x), "Cannot attend to [2, 8]: it should be [B, T, E] with E = 16");
});

Deno.test("SelfAttention: a layer index that is none is refused, with the order of the arguments", () => {
  const options = { nEmbed: 16, nHead: 4, kvHead: 2 };
  const remedy = "should be its layer of the cache, from 0; it takes (options, layerIndex, source)";
  for (
    const [index, shown] of [[undefined, "undefined"], [NaN, "NaN"], [-1, "-1"], [source(), "an object of Object"]]
  ) {
    const made = `of nEmbed 16: layerIndex ${shown} ${remedy}`;
    const layer = index as number; // from JavaScript anything may come
    refuse(() => new SelfAttention(options, layer, source()), `Cannot make SelfAttention ${made}`);
    refuse(() => new QkNormAttention(options, layer, source()), `Cannot make QkNormAttention ${made}`);
  }
  const none = undefined as unknown as ParameterSource; // the types refuse it, JavaScript does not
  refuse(
    () => new SelfAttention(options, 0, none),
    'Cannot take parameters "q_linear" from undefined: pass initialized({ backend }), fromStateDict(state) or a checkpoint',
  );
});

Deno.test("SelfAttention: one layer on a cache of several goes on from its own tokens", async () => {
  using layer = new SelfAttention({ nEmbed: 16, nHead: 4, kvHead: 2 }, 1, source());
  using x = randn([1, 5, 16], { seed: 8, backend });
  using whole = layer.forward(x);
  using cache = new GrowableKvCache(3);
  for (const [at, count] of [[0, 2], [2, 1], [3, 2]] as const) {
    using part = layer.forward(x.narrow(1, at, count), cache);
    using want = whole.narrow(1, at, count);
    await assertClose(part, want);
    assertEquals([cache.length, cache.lengthOf(1)], [0, at + count]);
  }
});

Deno.test("norms: what is added is a number of at least 0", () => {
  const why = "it is a finite number of at least 0";
  refuse(() => new LayerNorm({ size: 4, eps: NaN }, source()), `Cannot make LayerNorm with eps NaN: ${why}`);
  refuse(() => new RMSNorm({ size: 4, eps: -1 }, source()), `Cannot make RMSNorm with eps -1: ${why}`);
});

Deno.test("SelfAttention: prompt, token and chunk on a cache are one sequence, each layer in its own place", async () => {
  const layers = [0, 1].map((i) => new SelfAttention({ nEmbed: 16, nHead: 4, kvHead: 2 }, i, source()));
  const run = (x: Tensor, cache?: GrowableKvCache) => layers.reduce((h, layer) => layer.forward(h, cache), x);
  using x = randn([2, 9, 16], { seed: 5, backend });
  using whole = run(x);
  using cache = new GrowableKvCache(2);
  let at = 0;
  for (const count of [4, 1, 3, 1]) {
    using part = run(x.narrow(1, at, count), cache);
    using want = whole.narrow(1, at, count);
    await assertClose(part, want);
    at += count;
    assertEquals(cache.length, at);
  }
});

Deno.test("layers: gradients of inputs and parameters are those of differences", async () => {
  const make: ((from: ParameterSource) => Module & { forward(x: Tensor): Tensor })[] = [
    (from) => new Linear({ inFeatures: 8, outFeatures: 2 }, from),
    (from) => new LayerNorm({ size: 8 }, from),
    (from) => new RMSNorm({ size: 8, eps: 1e-5 }, from),
    (from) => new GroupedQueryAttention({ hiddenSize: 8, numHeads: 4, numGroups: 2 }, from),
    (from) => new QkNormAttention({ nEmbed: 8, nHead: 2, kvHead: 2 }, 0, from),
  ];
  using x = randn([1, 3, 8], { seed: 7, backend, dtype: "f64" });
  for (const layer of make) {
    using built = layer(initialized({ backend, seed: 6, dtype: "f64" }));
    const names = [...built.stateDict().keys()];
    const run = (input: Tensor, ...parameters: Tensor[]) =>
      layer(fromStateDict(new Map(names.map((name, i) => [name, parameters[i]!])))).forward(input);
    await gradcheck(run, [x, ...built.parameters()]);
  }
});

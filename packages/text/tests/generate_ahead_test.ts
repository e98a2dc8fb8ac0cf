/** One step in flight, as on backends whose reading waits: it must show in nothing but time. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { createWebGpuBackend } from "../../backend-webgpu/mod.ts";
import { type Backend, type KvCache, ShapeError, SlidingWindowKvCache, StaticKvCache } from "../../core/mod.ts";
import type { LlamaForCausalLM } from "../../nn/mod.ts";
import { generateTokens, type GenerateTokensOptions } from "../mod.ts";
import { TINY, tinyLlama } from "./tiny_llama.ts";

const MIXED = [[3], [1, 5, 9, 2, 16], [16, 0, 7]];

/** The scalar backend as a device: nothing can be read at once. */
function waitingBackend(): Backend {
  const backend: Backend = createScalarBackend();
  const readNow = backend.downloadSync!.bind(backend); // scalar has it
  const download: Backend["download"] = (...what) => Promise.resolve(readNow(...what));
  return Object.defineProperties(backend, { download: { value: download }, downloadSync: { value: undefined } });
}

/** Counts a model's passes from now on. */
function countPasses(model: LlamaForCausalLM): () => number {
  const { forward } = model;
  let passes = 0;
  model.forward = (...inputs) => {
    passes++;
    return forward.apply(model, inputs);
  };
  return () => passes;
}

async function stepsOf(
  model: LlamaForCausalLM,
  prompts: readonly (readonly number[])[],
  options: GenerateTokensOptions,
): Promise<(readonly (number | undefined)[])[]> {
  const steps = [];
  for await (const ids of generateTokens(model, prompts, options)) steps.push(ids);
  return steps;
}

Deno.test("a step is in flight while the one before is told, and none beyond the last", async () => {
  for (const [backend, ahead] of [[waitingBackend(), 1], [createScalarBackend(), 0]] as const) {
    using model = tinyLlama(backend);
    const passes = countPasses(model);
    const seen: number[] = [];
    for await (const _ of generateTokens(model, [[1, 2, 3]], { maxTokens: 4 })) seen.push(passes());
    assertEquals(seen, [1 + ahead, 2 + ahead, 3 + ahead, 4]);
  }
});

const OPTIONS: readonly GenerateTokensOptions[] = [
  { temperature: 0 },
  { temperature: 0, endIds: new Set([1, 4, 9, 11]) },
  { seed: 5, temperature: 1.5, topK: 9, topP: 0.9, minP: 0.02, repetitionPenalty: 1.3 },
  { seed: 6, temperature: 2, endIds: new Set([0, 3]), chunkTokens: 2 },
];

Deno.test("generating ahead gives what generating step by step gives, and leaves nothing", async () => {
  using plain = tinyLlama(createScalarBackend());
  const waiting = waitingBackend();
  using model = tinyLlama(waiting);
  const before = waiting.memory.liveStorages;
  for (const options of OPTIONS) {
    const of = { ...options, maxTokens: 12 };
    assertEquals(await stepsOf(model, MIXED, of), await stepsOf(plain, MIXED, of), JSON.stringify(options));
    assertEquals(waiting.memory.liveStorages, before);
  }
});

Deno.test("generating ahead on webgpu draws what it draws on scalar", async () => {
  const backend = await createWebGpuBackend({ softwareAdapter: true });
  {
    using plain = tinyLlama(createScalarBackend());
    using model = tinyLlama(backend);
    for (const options of OPTIONS) {
      const of = { ...options, maxTokens: 12 };
      assertEquals(await stepsOf(model, MIXED, of), await stepsOf(plain, MIXED, of), JSON.stringify(options));
    }
  }
  assertEquals(backend.memory.liveStorages, 0);
  backend.dispose();
});

/** Ways to end after three tokens, whose cache then goes on. */
const ENDINGS: Readonly<Record<string, (drawn: readonly number[]) => GenerateTokensOptions>> = {
  "a break": () => ({}),
  "an abort": () => ({}),
  "maxTokens": () => ({ maxTokens: 3 }),
  "an end token": (wanted) => ({ endIds: new Set([wanted[2]!]) }),
};

const CACHES: Readonly<Record<string, (model: LlamaForCausalLM) => KvCache>> = {
  growable: (model) => model.createCache(),
  static: () => new StaticKvCache(TINY.numHiddenLayers, { capacity: 24 }),
  window: () => new SlidingWindowKvCache(TINY.numHiddenLayers, { window: 3, blockTokens: 1 }),
};

for (const [form, create] of Object.entries(CACHES)) {
  Deno.test(`however a generation ahead ends, a ${form} cache holds the prompt and all tokens but the last`, async () => {
    using model = tinyLlama(waitingBackend());
    using whole = create(model);
    const wanted = (await stepsOf(model, [[2, 11]], { temperature: 0, cache: whole, maxTokens: 9 })).map(([id]) => id!);
    assert(!wanted.slice(0, 2).includes(wanted[2]!), `the third of ${wanted} ends the text, no earlier one`);
    for (const [ending, optionsFor] of Object.entries(ENDINGS)) {
      using cache = create(model);
      const drawn: number[] = [];
      const controller = new AbortController();
      const options = { ...optionsFor(wanted), cache, temperature: 0 };
      const run = async () => {
        const signal = ending === "an abort" ? controller.signal : undefined;
        for await (const [id] of generateTokens(model, [[2, 11]], { ...options, signal })) {
          drawn.push(id!);
          if (drawn.length === 3 && ending === "an abort") controller.abort(new Error("enough"));
          if (drawn.length === 3 && ending === "a break") break;
        }
      };
      if (ending === "an abort") await assertRejects(run, Error, "enough");
      else await run();
      assertEquals(drawn, wanted.slice(0, 3), ending);
      assertEquals(cache.length, 4, ending);
      const rest = await stepsOf(model, [drawn.slice(-1)], { cache, temperature: 0, maxTokens: 6 });
      assertEquals([...drawn, ...rest.map(([id]) => id!)], wanted, ending);
    }
  });
}

Deno.test("a cache that is full refuses the step ahead only after the ids before it were given", async () => {
  using model = tinyLlama(waitingBackend());
  using cache = new StaticKvCache(TINY.numHiddenLayers, { capacity: 4 });
  const drawn: number[] = [];
  const run = async (maxTokens: number) => {
    for await (const [id] of generateTokens(model, [[5, 6]], { cache, temperature: 0, maxTokens })) drawn.push(id!);
  };
  await assertRejects(() => run(9), ShapeError, "capacity of 4");
  assertEquals([drawn.length, cache.length], [3, 4]);
  cache.clear();
  await run(3); // which needs no more room
  assertEquals(drawn.slice(3), drawn.slice(0, 3));
});

Deno.test("logits that are NaN are refused by the step that drew from them", async () => {
  using model = tinyLlama(waitingBackend(), "model.norm.weight");
  using cache = model.createCache();
  const run = () => stepsOf(model, [[5, 6]], { cache });
  await assertRejects(run, ShapeError, "Cannot sample: logit 0 is NaN");
  assertEquals(cache.length, 0);
});

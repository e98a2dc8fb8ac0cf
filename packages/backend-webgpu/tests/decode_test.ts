/** Decoding on the device: steps that create nothing, one read a step, a loss in the middle. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { type Backend, BackendError, type KvCache, StaticKvCache } from "../../core/mod.ts";
import { initialized, type LlamaConfig, LlamaForCausalLM } from "../../nn/mod.ts";
import { generateTokens, type GenerateTokensOptions } from "../../text/mod.ts";
import type { WebGpuBackend } from "../mod.ts";
import { softwareBackend } from "./software_backend.ts";

/** Two layers, two query heads for each key head, a context that takes many batches of dispatches to fill. */
const CONFIG: LlamaConfig = {
  ...{ vocabSize: 300, hiddenSize: 64, intermediateSize: 96, numHiddenLayers: 2, maxPositionEmbeddings: 256 },
  ...{ numAttentionHeads: 4, numKeyValueHeads: 2, headDim: 16, rmsNormEps: 1e-5, ropeTheta: 10000 },
  ...{ ropeInterleaved: false, attentionBias: false, mlpBias: false, tieWordEmbeddings: true },
};

const CAPACITY = 160;
const PROMPT = [3, 1, 4, 1, 5];

function smallLlama(backend: Backend): LlamaForCausalLM {
  return new LlamaForCausalLM(CONFIG, initialized({ backend, seed: 1 }));
}

const staticCache = (): KvCache => new StaticKvCache(CONFIG.numHiddenLayers, { capacity: CAPACITY });

/** What was created on the device by the time of each step. */
async function createdBySteps(backend: WebGpuBackend, options: GenerateTokensOptions): Promise<string[]> {
  using model = smallLlama(backend);
  using cache = staticCache();
  const created: string[] = [];
  for await (const _ of generateTokens(model, [PROMPT], { ...options, cache, maxTokens: 100 })) {
    created.push(JSON.stringify(backend.created));
  }
  return created;
}

const SAMPLED = { temperature: 0.9, topK: 40, topP: 0.95, minP: 0.01, repetitionPenalty: 1.1 };

for (const [title, options] of [["greedy", { temperature: 0 }], ["sampled", SAMPLED]] as const) {
  Deno.test(`a decode step after the first creates no buffer, bind group or pipeline, ${title}`, async () => {
    using backend = await softwareBackend();
    const created = await createdBySteps(backend, options);
    assertEquals(created.length, 100);
    // a step is recorded one ahead: with the first ids the first decode step is, and with the second ids the next one
    assertEquals([...new Set(created.slice(1))], [created[1]!], created.join("\n"));
  });
}

Deno.test("a decode step reads its ids, 4 bytes a row, and no logits", async () => {
  using backend = await softwareBackend();
  using model = smallLlama(backend);
  const read: string[] = [];
  const download = backend.download.bind(backend);
  backend.download = (buffer, start, numel) => {
    read.push(`${numel} ${buffer.dtype}`);
    return download(buffer, start, numel);
  };
  for (const options of [{ temperature: 0 }, SAMPLED]) {
    for await (const _ of generateTokens(model, [PROMPT, [2, 7]], { ...options, maxTokens: 3 }));
  }
  assertEquals(read, new Array(6).fill("2 i32"));
});

Deno.test("a device lost in the middle of a generation ends it, and the model loads again on another", async () => {
  const backend = await softwareBackend();
  using model = smallLlama(backend);
  using cache = staticCache();
  const wanted: number[] = [];
  const scalar = createScalarBackend();
  using reference = smallLlama(scalar);
  const options = { temperature: 0, maxTokens: 6 };
  for await (const [id] of generateTokens(reference, [PROMPT], options)) wanted.push(id!);
  const drawn: number[] = [];
  const run = async () => {
    for await (const [id] of generateTokens(model, [PROMPT], { ...options, cache })) {
      drawn.push(id!);
      if (drawn.length === 2) backend.device.destroy();
    }
  };
  await assertRejects(run, Error, "the device was lost (destroyed");
  assert(drawn.length < wanted.length);
  assertEquals(drawn, wanted.slice(0, drawn.length));
  const restored = await backend.restore();
  using again = smallLlama(restored);
  const ids: number[] = [];
  for await (const [id] of generateTokens(again, [PROMPT], options)) ids.push(id!);
  assertEquals(ids, wanted);
  assertEquals(backend.memory.liveStorages > 0, true); // what was on the lost device waits to be disposed of
  model.dispose();
  cache.dispose();
  assertEquals(backend.memory.liveStorages, 0);
  again.dispose();
  restored.dispose();
});

Deno.test("of two devices that write at once, the loss of one ends its own text alone", async () => {
  using lost = await softwareBackend();
  using other = await softwareBackend();
  using first = smallLlama(lost);
  using second = smallLlama(other);
  const options = { temperature: 0, maxTokens: 8 };
  const write = async (model: LlamaForCausalLM, ids: number[]) => {
    for await (const [id] of generateTokens(model, [PROMPT], options)) {
      ids.push(id!);
      if (model === first && ids.length === 2) lost.device.destroy();
    }
  };
  const [ids, otherIds]: [number[], number[]] = [[], []];
  const [ended, finished] = await Promise.allSettled([write(first, ids), write(second, otherIds)]);
  assert(ended.status === "rejected" && ended.reason instanceof BackendError, String(ended.status));
  assertStringIncludes(ended.reason.message, "webgpu: the device was lost (destroyed");
  assertEquals(finished, { status: "fulfilled", value: undefined });
  assertEquals(otherIds.length, 8);
  assertEquals(ids, otherIds.slice(0, ids.length));
});

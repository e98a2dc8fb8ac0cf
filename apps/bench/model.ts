/** A whole model: how fast it reads a prompt and writes, and what a token costs when the cache is longer. */
import {
  type Backend,
  type KvCache,
  type LlamaForCausalLM,
  loadModel,
  tensor,
  type TensorFile,
  tidy,
} from "../../packages/heed/mod.ts";
import { type Figure, median } from "./measure.ts";

const STEPS = 7;
const [SHORT, LONG] = [20, 200];
/** Tokens of a pass through the prompt, as `generate` does it. */
const CHUNK = 128;

/** What is measured, by name. */
export const MODEL_FIGURES = [
  `prefill of ${SHORT} tokens`,
  `decode at ${SHORT} tokens`,
  `a token at ${SHORT} tokens`,
  `a token at ${LONG} tokens`,
  `a token at ${LONG} against ${SHORT} tokens`,
] as const;

/** One pass, its logits read back; its duration in milliseconds. */
async function pass(model: LlamaForCausalLM, cache: KvCache, length: number, backend: Backend): Promise<number> {
  const ids = Int32Array.from({ length }, (_, i) => 100 + (cache.length + i) * 7 % 1000); // any ids cost the same
  const start = performance.now();
  using logits = tidy(() => {
    const input = tensor(ids, { shape: [1, length], backend });
    return model.forward(input, { cache, logitsToKeep: 1 });
  });
  await logits.data();
  return performance.now() - start;
}

/** Milliseconds a token with `length` tokens in the cache. */
async function decode(model: LlamaForCausalLM, cache: KvCache, length: number, backend: Backend): Promise<number> {
  while (cache.length < length) await pass(model, cache, Math.min(CHUNK, length - cache.length), backend);
  const steps: number[] = [];
  for (let i = 0; i < STEPS; i++) {
    steps.push(await pass(model, cache, 1, backend));
    cache.truncate(length);
  }
  return median(steps);
}

/** Milliseconds of a prompt of `SHORT` tokens. */
async function prefill(model: LlamaForCausalLM, cache: KvCache, backend: Backend): Promise<number> {
  const passes: number[] = [];
  for (let i = 0; i < STEPS; i++) {
    cache.truncate(0);
    passes.push(await pass(model, cache, SHORT, backend));
  }
  return median(passes);
}

/**
 * Times a Llama.
 *
 * @param file its opened GGUF file
 */
export async function benchModel(file: TensorFile, backend: Backend): Promise<Figure[]> {
  using model = await loadModel({ file }, { backend });
  using cache = model.createCache();
  await pass(model, cache, SHORT, backend); // warms up
  const prompt = await prefill(model, cache, backend);
  const [short, long] = [await decode(model, cache, SHORT, backend), await decode(model, cache, LONG, backend)];
  const [read, written, atShort, atLong, ratio] = MODEL_FIGURES;
  return [
    { name: read, value: SHORT / prompt * 1000, unit: "tokens/s" },
    { name: written, value: 1000 / short, unit: "tokens/s", goal: ">= 2" },
    { name: atShort, value: short, unit: "ms" },
    { name: atLong, value: long, unit: "ms" },
    { name: ratio, value: long / short, unit: "x" },
  ];
}

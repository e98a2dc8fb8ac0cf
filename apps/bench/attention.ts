/** Attention: the fused kernel against the composition that defines it, and what a token costs with a long cache. */
import {
  attention,
  type Backend,
  GrowableKvCache,
  initialized,
  type KvCache,
  LlamaForCausalLM,
  randn,
  scaledDotProductAttention,
  type Tensor,
  tensor,
  tidy,
} from "../../packages/heed/mod.ts";
import { type BenchCase, type Figure, median } from "./measure.ts";

/** SmolLM2-135M's heads. */
const [HEADS, KEY_HEADS, D] = [9, 3, 64];

function operands(backend: Backend, length: number, keys: number): [query: Tensor, key: Tensor, value: Tensor] {
  const draw = (heads: number, count: number, seed: number): Tensor => randn([1, heads, count, D], { seed, backend });
  return [draw(HEADS, length, 1), draw(KEY_HEADS, keys, 2), draw(KEY_HEADS, keys, 3)];
}

/** Milliseconds of one call, fused and composed: asking for weights makes the composition run. */
function shape(backend: Backend, name: string, length: number, keys: number, repeats: number): BenchCase[] {
  const [query, key, value] = operands(backend, length, keys);
  const options = { causal: "lower-right" } as const;
  const timed = { unit: "ms", repeats, figure: (seconds: number): number => seconds * 1000 };
  const fused = async (): Promise<void> => {
    using output = scaledDotProductAttention(query, key, value, options);
    await output.data();
  };
  const composed = async (): Promise<void> => {
    const { output, weights } = attention(query, key, value, { ...options, returns: { weights: true } });
    await output.data();
    for (const x of [output, weights]) x.dispose();
  };
  return [
    { name: `attention, ${name}`, ...timed, run: fused },
    { name: `attention, ${name}, composed`, ...timed, run: composed },
  ];
}

/** Microseconds of appending a token to a layer of a growable cache that holds `length`. */
function append(backend: Backend, length: number): BenchCase {
  const cache = new GrowableKvCache(1);
  const [, keys, values] = operands(backend, 1, length);
  const [, key, value] = operands(backend, 1, 1);
  tidy(() => cache.append(0, keys, values));
  const run = (): void => {
    tidy(() => cache.append(0, key, value));
    cache.truncate(length);
  };
  return { name: `append a token to ${length}`, unit: "µs", repeats: 500, run, figure: (seconds) => seconds * 1e6 };
}

/** The cases. */
export function attentionCases(backend: Backend): BenchCase[] {
  return [
    append(backend, 400),
    append(backend, 4000),
    ...shape(backend, "prompt of 256", 256, 256, 1),
    ...shape(backend, "a token after 400", 1, 400, 20),
    ...shape(backend, "a token after 4000", 1, 4000, 4),
  ];
}

const LAYERS = 4;
const ROUNDS = 15;

/** What {@linkcode decodeGrowth} measures, by name. */
export const GROWTH_FIGURES = [
  `a token of ${LAYERS} layers at 400, its attention`,
  `a token of ${LAYERS} layers at 4000, its attention`,
  "the rest of a token at 400",
  "the rest of a token at 4000",
  "the rest at 4000 against 400",
] as const;

/** A cache with random keys and values of `length` tokens. */
function filled(backend: Backend, length: number): KvCache {
  const cache = new GrowableKvCache(LAYERS);
  for (let layer = 0; layer < LAYERS; layer++) {
    const [, key, value] = operands(backend, 1, length);
    tidy(() => cache.append(layer, key, value));
    for (const x of [key, value]) x.dispose();
  }
  return cache;
}

/** Milliseconds of a token through the model, and of its attention alone. */
async function token(model: LlamaForCausalLM, cache: KvCache, backend: Backend): Promise<[all: number, alone: number]> {
  const length = cache.length;
  const start = performance.now();
  using logits = tidy(() => model.forward(tensor([[7]], { dtype: "i32", backend }), { cache }));
  await logits.data();
  const all = performance.now() - start;
  cache.truncate(length);
  const [query, key, value] = operands(backend, 1, length + 1);
  const before = performance.now();
  for (let layer = 0; layer < LAYERS; layer++) {
    using output = scaledDotProductAttention(query, key, value, { causal: "lower-right" });
    await output.data();
  }
  const alone = performance.now() - before;
  for (const x of [query, key, value]) x.dispose();
  return [all, alone];
}

/** What a token costs apart from attention with 4,000 tokens in a growable cache, against one with 400. */
export async function decodeGrowth(backend: Backend): Promise<Figure[]> {
  const config = {
    ...{ vocabSize: 256, hiddenSize: HEADS * D, intermediateSize: 512, numHiddenLayers: LAYERS },
    ...{ numAttentionHeads: HEADS, numKeyValueHeads: KEY_HEADS, headDim: D, maxPositionEmbeddings: 8192 },
    ...{ rmsNormEps: 1e-5, ropeTheta: 1e4, ropeInterleaved: false, attentionBias: false, mlpBias: false },
    tieWordEmbeddings: true,
  };
  using model = new LlamaForCausalLM(config, initialized({ backend, seed: 1 }));
  using short = filled(backend, 400);
  using long = filled(backend, 4000);
  const rounds: { short: [number, number]; long: [number, number] }[] = [];
  for (let i = 0; i < ROUNDS + 2; i++) {
    const round = { short: await token(model, short, backend), long: await token(model, long, backend) };
    if (i >= 2) rounds.push(round); // the first ones warm up
  }
  const of = (pick: (round: (typeof rounds)[number]) => number): number => median(rounds.map(pick));
  const rest = [of(({ short: [all, alone] }) => all - alone), of(({ long: [all, alone] }) => all - alone)];
  const [attentionAtShort, attentionAtLong, restAtShort, restAtLong, ratio] = GROWTH_FIGURES;
  return [
    { name: attentionAtShort, value: of(({ short }) => short[1]), unit: "ms" },
    { name: attentionAtLong, value: of(({ long }) => long[1]), unit: "ms" },
    { name: restAtShort, value: rest[0]!, unit: "ms" },
    { name: restAtLong, value: rest[1]!, unit: "ms" },
    { name: ratio, value: rest[1]! / rest[0]!, unit: "x", goal: "1" },
  ];
}

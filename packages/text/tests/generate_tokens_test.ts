/** Batches of ids: each row is what it would be alone, and the cache is what the caller was given. */
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import {
  GrowableKvCache,
  type KeyValueView,
  type KvCache,
  PagedKvCache,
  ShapeError,
  SlidingWindowKvCache,
  StaticKvCache,
  type Tensor,
  tidy,
  zeros,
} from "../../core/mod.ts";
import type { ForwardOptions, LlamaForCausalLM } from "../../nn/mod.ts";
import { generateTokens, type GenerateTokensOptions } from "../mod.ts";
import { integers } from "./texts.ts";
import { TINY, tinyLlama } from "./tiny_llama.ts";

type Prompts = readonly (readonly number[])[];

const MIXED: Prompts = [[3], [1, 5, 9, 2, 16], [16, 0, 7]];

/** What each row draws, its end token included. */
async function rowsOf(
  model: LlamaForCausalLM,
  prompts: Prompts,
  options: GenerateTokensOptions = {},
): Promise<number[][]> {
  const rows: number[][] = prompts.map(() => []);
  for await (const ids of generateTokens(model, prompts, { maxTokens: 8, ...options })) {
    assertEquals(ids.length, prompts.length);
    ids.forEach((id, row) => id !== undefined && rows[row]!.push(id));
  }
  return rows;
}

/** Each prompt in a batch of its own, drawing as the row that it is in `prompts`. */
async function alone(
  model: LlamaForCausalLM,
  prompts: Prompts,
  options: GenerateTokensOptions = {},
): Promise<number[][]> {
  const rows: number[][] = [];
  for (const [row, prompt] of prompts.entries()) {
    rows.push(...await rowsOf(model, [prompt], { ...options, row: (options.row ?? 0) + row }));
  }
  return rows;
}

function randomPrompts(next: (below: number) => number): number[][] {
  return Array.from({ length: 1 + next(5) }, () => Array.from({ length: 1 + next(12) }, () => next(TINY.vocabSize)));
}

const SEED = 2024;

Deno.test(`generateTokens: a row of a batch is what it is alone, greedy and drawn (seed ${SEED})`, async () => {
  using model = tinyLlama(createScalarBackend());
  const next = integers(SEED);
  for (let round = 0; round < 8; round++) {
    const prompts = randomPrompts(next);
    const drawn = { seed: next(1000), row: next(9), temperature: 1.5, topP: 0.95, repetitionPenalty: 1.3 };
    for (const options of [{ temperature: 0 }, { temperature: 0, repetitionPenalty: 2 }, drawn]) {
      const of = { ...options, chunkTokens: 1 + next(12), endIds: new Set([next(TINY.vocabSize)]) };
      const message = `seed ${SEED}, round ${round}: ${JSON.stringify(prompts)} ${JSON.stringify(of)}`;
      assertEquals(await rowsOf(model, prompts, of), await alone(model, prompts, of), message);
    }
  }
});

Deno.test("generateTokens: rows with equal prompts draw differently", async () => {
  using model = tinyLlama(createScalarBackend());
  const [first, second] = await rowsOf(model, [[4, 2], [4, 2]], { seed: 7, temperature: 2 });
  assertNotEquals(first, second);
});

Deno.test(`generateTokens: permuting the batch permutes the output (seed ${SEED + 1})`, async () => {
  using model = tinyLlama(createScalarBackend());
  const next = integers(SEED + 1);
  for (let round = 0; round < 5; round++) {
    const prompts = randomPrompts(next);
    const keys = prompts.map(() => next(1000));
    const order = prompts.map((_, row) => row).sort((a, b) => keys[a]! - keys[b]!);
    const rows = await rowsOf(model, prompts, { temperature: 0 });
    const permuted = await rowsOf(model, order.map((row) => prompts[row]!), { temperature: 0 });
    const message = `seed ${SEED + 1}, round ${round}: ${JSON.stringify(prompts)} in order ${order}`;
    assertEquals(permuted, order.map((row) => rows[row]!), message);
  }
});

Deno.test("generateTokens: chunks of a padded batch are the batch as a whole", async () => {
  using model = tinyLlama(createScalarBackend());
  const prompts = [[1, 5, 9, 16, 0, 2, 2, 7, 11, 3, 8], [4], [2, 6, 10, 14]];
  const whole = await rowsOf(model, prompts, { temperature: 0 });
  for (const chunkTokens of [1, 2, 4, 10, 11]) {
    assertEquals(await rowsOf(model, prompts, { temperature: 0, chunkTokens }), whole, `chunks of ${chunkTokens}`);
  }
});

Deno.test("generateTokens: a row ends with its end token, the batch with its last row", async () => {
  using model = tinyLlama(createScalarBackend());
  const all = await rowsOf(model, MIXED, { temperature: 0, maxTokens: 12 });
  const endIds = new Set([all[0]![2]!]);
  const wanted = all.map((ids) => {
    const end = ids.findIndex((id) => endIds.has(id));
    return end < 0 ? ids : ids.slice(0, end + 1);
  });
  const lengths = wanted.map((ids) => ids.length);
  assert(new Set(lengths).size > 1, `rows should end at different steps, not ${lengths}`);
  const steps = [];
  for await (const ids of generateTokens(model, MIXED, { temperature: 0, maxTokens: 12, endIds })) steps.push(ids);
  assertEquals(steps, Array.from({ length: Math.max(...lengths) }, (_, step) => wanted.map((ids) => ids[step])));
});

Deno.test("generateTokens: it stops where the longest row has filled the context, or at maxTokens", async () => {
  using model = tinyLlama(createScalarBackend());
  const long = new Array<number>(20).fill(1);
  const rows = await rowsOf(model, [[3], long], { temperature: 0, maxTokens: Infinity });
  assertEquals(rows.map((ids) => ids.length), [5, 5]); // 4 places are left, and the last token is not fed back
  assertEquals(rows, await alone(model, [[3], long], { temperature: 0, maxTokens: 5 }));
  assertEquals(await rowsOf(model, MIXED, { maxTokens: 0 }), [[], [], []]);
});

Deno.test("generateTokens: what a given cache holds comes before every row", async () => {
  using model = tinyLlama(createScalarBackend());
  using cache = model.createCache();
  const shared = [[8, 1, 4], [2, 2, 13], [7, 0, 9]];
  await rowsOf(model, shared, { cache, maxTokens: 0 });
  assertEquals(cache.length, 3);
  const whole = MIXED.map((ids, row) => [...shared[row]!, ...ids]);
  const rows = await rowsOf(model, MIXED, { cache, temperature: 0, chunkTokens: 2 });
  assertEquals(rows, await rowsOf(model, whole, { temperature: 0 }));
  assertEquals(cache.length, 3 + 5 + 7);
});

const FORMS: Readonly<Record<string, () => KvCache>> = {
  static: () => new StaticKvCache(TINY.numHiddenLayers, { capacity: 24 }),
  paged: () => new PagedKvCache(TINY.numHiddenLayers, { capacity: 24, pageTokens: 4 }),
  window: () => new SlidingWindowKvCache(TINY.numHiddenLayers, { window: 4, blockTokens: 2 }),
  f16: () => new GrowableKvCache(TINY.numHiddenLayers, { dtype: "f16" }),
};

for (const [form, create] of Object.entries(FORMS)) {
  Deno.test(`generateTokens: a padded row is what it is alone, with a ${form} cache`, async () => {
    const backend = createScalarBackend();
    using model = tinyLlama(backend);
    const before = backend.memory.liveStorages;
    const options = { temperature: 0, maxTokens: 12, chunkTokens: 2 };
    const wanted = [];
    for (const prompt of MIXED) {
      using cache = create();
      wanted.push(...await rowsOf(model, [prompt], { ...options, cache }));
    }
    using cache = create();
    assertEquals(await rowsOf(model, MIXED, { ...options, cache }), wanted);
    assertEquals(cache.length, 5 + 11);
    cache.dispose();
    assertEquals(backend.memory.liveStorages, before);
  });
}

Deno.test("generateTokens: a cache without room for the prompt is as it was, one that fills up keeps what was drawn", async () => {
  using model = tinyLlama(createScalarBackend());
  using cache = new StaticKvCache(TINY.numHiddenLayers, { capacity: 6 });
  await rowsOf(model, [[8, 1, 4]], { cache, maxTokens: 0 });
  const [wanted] = await rowsOf(model, [[8, 1, 4, 5]], { temperature: 0 });
  await assertRejects(() => rowsOf(model, [[5, 6, 7, 2]], { cache, chunkTokens: 2 }), ShapeError, "capacity of 6");
  assertEquals(cache.length, 3);
  const drawn: number[] = [];
  const run = async () => {
    for await (const [id] of generateTokens(model, [[5]], { cache, temperature: 0 })) drawn.push(id!);
  };
  await assertRejects(run, ShapeError, "capacity of 6");
  assertEquals(drawn, wanted!.slice(0, 3));
  assertEquals(cache.length, 6);
});

Deno.test("generateTokens: only padded batches pay for a mask", async () => {
  using model = tinyLlama(createScalarBackend());
  const forward = model.forward;
  const masks: (readonly number[] | undefined)[] = [];
  model.forward = (ids: Tensor, options?: ForwardOptions) => {
    masks.push(options?.attentionMask?.shape);
    return forward.call(model, ids, options);
  };
  await rowsOf(model, [[1, 2, 3]], { maxTokens: 2 });
  await rowsOf(model, [[1, 2, 3], [4, 5, 6]], { maxTokens: 2, endIds: new Set([0]) });
  assertEquals(masks, [undefined, undefined, undefined, undefined]);
  await rowsOf(model, [[1, 2, 3], [4]], { maxTokens: 2, chunkTokens: 2 });
  assertEquals(masks.slice(4), [[2, 2], [2, 3], [2, 4]]);
});

Deno.test("generateTokens: prompts and options that cannot be are refused, and leave nothing", async () => {
  const backend = createScalarBackend();
  using model = tinyLlama(backend);
  const before = backend.memory.liveStorages;
  const refuses = (prompts: Prompts, message: string, options: GenerateTokensOptions = {}) =>
    assertRejects(() => rowsOf(model, prompts, options), ShapeError, message);
  await refuses([], "Cannot generate from no prompts: give at least one");
  await refuses([[1], []], "Cannot generate from an empty prompt in row 1: give at least one token");
  const long = new Array<number>(25).fill(1);
  await refuses(
    [[1], [2], long],
    "Cannot generate from 25 tokens in row 2: the context holds 24; shorten the prompt",
  );
  await refuses([[17], [1]], "Cannot generate: token 17 in row 0 is outside the vocabulary of 17");
  for (const maxTokens of [-1, 0.5, NaN]) {
    await refuses([[1]], `Cannot generate with maxTokens ${maxTokens}: it must be an integer of at least 0`, {
      maxTokens,
    });
  }
  for (const chunkTokens of [0, 1.5]) {
    await refuses([[1]], `Cannot generate with chunkTokens ${chunkTokens}: it must be a positive integer`, {
      chunkTokens,
    });
  }
  // the types refuse these, JavaScript does not
  const list = "Cannot generate from %: a prompt is a list of ids; write [ids] for one prompt, and use generate(";
  for (const [prompts, shown] of [[["hi"], '"hi"'], [[3], "3"], [[undefined], "undefined"]] as const) {
    await refuses(prompts as unknown as Prompts, list.replace("%", shown));
  }
  await refuses([4, 2] as unknown as Prompts, list.replace("%", "4 in row 0"));
  await assertRejects(
    () => generateTokens(model, "hi" as unknown as Prompts).next(),
    ShapeError,
    'Cannot generate from "hi": prompts are a list, one a row, of lists of ids; generate(model, tokenizer, text)',
  );
  const untyped = (options: object): GenerateTokensOptions => options;
  await refuses(
    [[1]],
    "Cannot generate with endIds [1]: they are a Set; use new Set([…])",
    untyped({ endIds: [1] }),
  );
  await refuses([[1]], "Cannot go on from an object of Object: it is no cache", untyped({ cache: {} }));
  const names = "Cannot generate tokens with an option";
  await refuses([[1]], `${names} "max_new_tokens": there is none; use maxTokens`, untyped({ max_new_tokens: 1 }));
  const stop = "generate(model, tokenizer, prompt, { stop }), or a StopText on the tokens' text";
  await refuses([[1]], `${names} "stop": there is none; use ${stop}`, untyped({ stop: ["."] }));
  await refuses([[1]], `${names} "top_k": there is none; use topK`, untyped({ top_k: 1 }));
  await refuses([[1]], `${names} "do_sample": there is none; use temperature`, untyped({ do_sample: false }));
  await refuses([[1]], `${names} "temprature": there is none; use temperature, topK,`, untyped({ temprature: 0 }));
  using cache = model.createCache();
  await refuses([[1]], "Cannot sample with topK 0: it must be a positive integer", { topK: 0, cache });
  assertEquals(cache.length, 0); // refused before the prompt went through
  assertEquals(backend.memory.liveStorages, before);
});

Deno.test("generateTokens: steps leave nothing behind, padded or not", async () => {
  const backend = createScalarBackend();
  using model = tinyLlama(backend);
  const before = backend.memory.liveStorages;
  for (const prompts of [MIXED, [[1, 2]]]) {
    const counts = new Set<number>();
    for await (const _ of generateTokens(model, prompts, { chunkTokens: 2 })) counts.add(backend.memory.liveStorages);
    assertEquals([...counts], [before + 2 * TINY.numHiddenLayers + 2]); // the cache's keys and values, what was drawn
    assertEquals(backend.memory.liveStorages, before);
  }
});

Deno.test("generateTokens: a model in training is run without a graph", async () => {
  using model = tinyLlama(createScalarBackend()).requiresGrad_();
  const forward = model.forward;
  const graphs: boolean[] = [];
  model.forward = (ids: Tensor, options?: ForwardOptions) => {
    const logits = forward.call(model, ids, options);
    graphs.push(logits.requiresGrad);
    return logits;
  };
  await rowsOf(model, MIXED, { maxTokens: 3 });
  assertEquals(graphs, [false, false, false]);
});

Deno.test("generateTokens: an abort within the prompt leaves the cache as it was", async () => {
  const backend = createScalarBackend();
  using model = tinyLlama(backend);
  using cache = model.createCache();
  await rowsOf(model, [[8, 1, 4]], { cache, maxTokens: 0 });
  const wanted = await rowsOf(model, [[8, 1, 4, 5, 6, 7]], { temperature: 0 });
  for (const looks of [0, 1, 2, 3]) { // before each of three chunks, and before the first draw
    const signal = abortsAfter(looks);
    const run = () => rowsOf(model, [[5, 6, 7]], { cache, signal, chunkTokens: 1 });
    await assertRejects(run, Error, "enough");
    assertEquals(cache.length, 3);
  }
  assertEquals(await rowsOf(model, [[5, 6, 7]], { cache, temperature: 0 }), wanted);
});

/** A signal that is aborted once it has been looked at `looks` times. */
function abortsAfter(looks: number): AbortSignal {
  const { signal } = new AbortController();
  let seen = 0;
  signal.throwIfAborted = () => {
    if (seen++ === looks) throw new Error("enough");
  };
  return signal;
}

Deno.test("generateTokens: an abort or a break later leaves the prompt and all tokens but the last", async () => {
  using model = tinyLlama(createScalarBackend());
  const wanted = (await rowsOf(model, [[5, 6]], { temperature: 0 }))[0]!;
  for (const aborts of [true, false]) {
    using cache = model.createCache();
    const controller = new AbortController();
    const drawn: number[] = [];
    const run = async () => {
      for await (const [id] of generateTokens(model, [[5, 6]], { cache, temperature: 0, signal: controller.signal })) {
        drawn.push(id!);
        if (drawn.length < 3) continue;
        if (!aborts) break;
        controller.abort(new Error("enough"));
      }
    };
    if (aborts) await assertRejects(run, Error, "enough");
    else await run();
    assertEquals(drawn, wanted.slice(0, 3));
    assertEquals(cache.length, 4);
    const [rest] = await rowsOf(model, [drawn.slice(-1)], { cache, temperature: 0, maxTokens: 5 });
    assertEquals([...drawn, ...rest!], wanted);
  }
});

/** A cache that has no room in its last layer after a while, so that its layers disagree when an append throws. */
class FailingCache extends GrowableKvCache {
  appends = 0;

  constructor(readonly failsAt: number) {
    super(TINY.numHiddenLayers);
  }

  override append(layer: number, keys: Tensor, values: Tensor): KeyValueView {
    if (this.appends++ === this.failsAt) throw new ShapeError("no room");
    return super.append(layer, keys, values);
  }
}

Deno.test("generateTokens: a pass that fails half-way is taken back out of the cache", async () => {
  const backend = createScalarBackend();
  using model = tinyLlama(backend);
  const wanted = (await rowsOf(model, [[5, 6, 7]], { temperature: 0 }))[0]!;
  const before = backend.memory.liveStorages;
  for (const [failsAt, count] of [[3, 0], [9, 2]] as const) { // the second of three chunks; the second token fed back
    using cache = new FailingCache(failsAt);
    const drawn: number[] = [];
    const run = async () => {
      for await (const [id] of generateTokens(model, [[5, 6, 7]], { cache, temperature: 0, chunkTokens: 1 })) {
        drawn.push(id!);
      }
    };
    await assertRejects(run, ShapeError, "no room");
    assertEquals(drawn, wanted.slice(0, count));
    assertEquals(cache.length, count === 0 ? 0 : 3 + count - 1);
    const next = count === 0 ? [5, 6, 7] : drawn.slice(-1);
    assertEquals(await rowsOf(model, [next], { cache, temperature: 0, maxTokens: 8 - count }), [wanted.slice(count)]);
  }
  assertEquals(backend.memory.liveStorages, before);
});

Deno.test("generateTokens: a cache that cannot go back is cleared, and the error stays", async () => {
  using model = tinyLlama(createScalarBackend());
  using cache = new FailingCache(2 * TINY.numHiddenLayers + 1); // within the third pass
  await rowsOf(model, [[8, 1, 4]], { cache, maxTokens: 0 });
  const truncate = cache.truncate;
  cache.truncate = (length) => {
    if (length > 0) throw new ShapeError("gone");
    truncate.call(cache, length);
  };
  await assertRejects(() => rowsOf(model, [[5, 6, 7]], { cache, chunkTokens: 1 }), ShapeError, "no room");
  assertEquals(cache.length, 0);
});

Deno.test("generateTokens: a cache of other layers, or of uneven ones, is refused, and stays", async () => {
  const backend = createScalarBackend();
  using model = tinyLlama(backend);
  using more = new GrowableKvCache(TINY.numHiddenLayers + 1);
  const layers = "Cannot run a Llama of 2 layers with a cache of 3: each has one of its own; use model.createCache()";
  await assertRejects(() => rowsOf(model, [[1]], { cache: more }), ShapeError, layers);
  using uneven = model.createCache();
  using keys = zeros([1, TINY.numKeyValueHeads, 1, TINY.headDim], { backend });
  tidy(() => uneven.append(0, keys, keys));
  const message = "Cannot run a Llama with a cache whose layers have seen 1, 0 tokens: a step ended between them; " +
    "call truncate(0) on it first";
  await assertRejects(() => rowsOf(model, [[1]], { cache: uneven }), ShapeError, message);
  assertEquals([uneven.lengthOf(0), uneven.lengthOf(1)], [1, 0]);
});

Deno.test("generateTokens: a cache of another batch size is refused, and stays", async () => {
  using model = tinyLlama(createScalarBackend());
  using cache = model.createCache();
  await rowsOf(model, [[8, 1, 4]], { cache, maxTokens: 0 });
  await assertRejects(() => rowsOf(model, MIXED, { cache }), ShapeError, "Cannot ");
  assertEquals(cache.length, 3);
});

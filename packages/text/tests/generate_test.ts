import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { ShapeError, tensor } from "../../core/mod.ts";
import type { LlamaForCausalLM } from "../../nn/mod.ts";
import { generate, generateBatch, type GeneratedToken, type GenerateOptions, type Tokenizer } from "../mod.ts";
import { idTokenizer } from "./id_tokenizer.ts";
import { TINY, tinyLlama } from "./tiny_llama.ts";

const WORDS = idTokenizer(TINY.vocabSize);

async function idsOf(
  model: LlamaForCausalLM,
  prompt: string | readonly number[],
  options: GenerateOptions = {},
  tokenizer = WORDS,
): Promise<number[]> {
  const ids: number[] = [];
  for await (const { id } of generate(model, tokenizer, prompt, { maxTokens: 10, ...options })) ids.push(id);
  return ids;
}

/** The largest logit's id after all ids, again and again, without a cache. */
async function greedyByHand(model: LlamaForCausalLM, prompt: readonly number[], count: number): Promise<number[]> {
  const ids = [...prompt];
  for (let i = 0; i < count; i++) {
    using input = tensor(Int32Array.from(ids), { shape: [1, ids.length], backend: model.lm_head.weight.backend });
    using logits = model.forward(input, { logitsToKeep: 1 });
    const row = await logits.data();
    ids.push(row.indexOf(Math.max(...row)));
  }
  return ids.slice(prompt.length);
}

Deno.test("generate: prompts that cannot be continued are refused, and leave nothing", async () => {
  const backend = createScalarBackend();
  using model = tinyLlama(backend);
  const before = backend.memory.liveStorages;
  const refusals: [string | number[], string][] = [
    ["", "Cannot generate from an empty prompt: give at least one token"],
    [[], "Cannot generate from an empty prompt: give at least one token"],
    [new Array(25).fill(1), "Cannot generate from 25 tokens: the context holds 24; shorten the prompt"],
    [[1, 17], "Cannot generate: token 17 is outside the vocabulary of 17"],
    [[-1], "Cannot generate: token -1 is outside the vocabulary of 17"],
    [[0.5], "Cannot generate: token 0.5 is outside the vocabulary of 17"],
    ["<1><99>", "Cannot generate: token 99 is outside the vocabulary of 17"],
  ];
  for (const [prompt, message] of refusals) await assertRejects(() => idsOf(model, prompt), ShapeError, message);
  assertEquals(backend.memory.liveStorages, before);
});

Deno.test("generate: a cache that holds too much to go on is refused", async () => {
  using model = tinyLlama(createScalarBackend());
  using cache = model.createCache();
  await idsOf(model, [1, 2, 3], { cache, maxTokens: 18 });
  assertEquals(cache.length, 20);
  const message = "Cannot generate from 5 tokens after 20: the context holds 24; shorten the prompt";
  await assertRejects(() => idsOf(model, [1, 2, 3, 4, 5], { cache }), ShapeError, message);
});

Deno.test("generate: NaN weights are an error, and leave nothing but the model", async () => {
  for (const bad of ["model.norm.weight", "model.layers.1.mlp.up_proj.weight"]) {
    const backend = createScalarBackend();
    using model = tinyLlama(backend, bad);
    const before = backend.memory.liveStorages;
    await assertRejects(() => idsOf(model, [1, 2]), ShapeError, "Cannot sample: logit 0 is NaN");
    assertEquals(backend.memory.liveStorages, before);
  }
});

Deno.test("generate: temperature 0 takes the largest logit of the whole sequence", async () => {
  using model = tinyLlama(createScalarBackend());
  for (const prompt of [[3], [1, 5, 9], [16, 0, 2, 2, 7, 11]]) {
    assertEquals(await idsOf(model, prompt, { temperature: 0 }), await greedyByHand(model, prompt, 10));
  }
  assertEquals(await idsOf(model, "<1><5><9>", { temperature: 0 }), await greedyByHand(model, [1, 5, 9], 10));
});

Deno.test("generate: a seed gives its text again, another seed another", async () => {
  using model = tinyLlama(createScalarBackend());
  const once = await idsOf(model, [4, 2], { seed: 7, temperature: 2 });
  assertEquals(await idsOf(model, [4, 2], { seed: 7, temperature: 2 }), once);
  assertNotEquals(await idsOf(model, [4, 2], { seed: 8, temperature: 2 }), once);
});

Deno.test("generate: a prompt in chunks is the prompt as a whole", async () => {
  using model = tinyLlama(createScalarBackend());
  const prompt = [1, 5, 9, 16, 0, 2, 2, 7, 11, 3, 8];
  const whole = await idsOf(model, prompt, { temperature: 0 });
  for (const chunkTokens of [1, 2, 4, 10, 11]) {
    assertEquals(await idsOf(model, prompt, { temperature: 0, chunkTokens }), whole);
  }
});

Deno.test("generate: it goes on from a cache", async () => {
  using model = tinyLlama(createScalarBackend());
  using cache = model.createCache();
  const first = await idsOf(model, [1, 5, 9], { temperature: 0, maxTokens: 4, cache });
  assertEquals(cache.length, 6); // the last token drawn was not fed back
  const rest = await idsOf(model, first.slice(-1), { temperature: 0, maxTokens: 6, cache });
  assertEquals([...first, ...rest], await greedyByHand(model, [1, 5, 9], 10));
});

Deno.test("generate: it ends with the context, with an end token, and with maxTokens", async () => {
  using model = tinyLlama(createScalarBackend());
  const whole = new Array<number>(24).fill(1);
  const last = await idsOf(model, whole, { temperature: 0 });
  assertEquals(last, await greedyByHand(model, whole, 1));
  const all = await idsOf(model, [1, 5, 9], { temperature: 0 });
  const end = all.at(-1)!;
  const ending = idTokenizer(TINY.vocabSize, [end]);
  assertEquals(await idsOf(model, [1, 5, 9], { temperature: 0 }, ending), all.slice(0, all.indexOf(end)));
  assertEquals(await idsOf(model, [1, 5, 9], { temperature: 0, ignoreEnd: true }, ending), all);
  assertEquals(await idsOf(model, [1, 5, 9], { maxTokens: 0 }), []);
});

Deno.test("generate: an abort and a break leave nothing but the model", async () => {
  const backend = createScalarBackend();
  using model = tinyLlama(backend);
  const before = backend.memory.liveStorages;
  const early = AbortSignal.abort(new Error("no more"));
  await assertRejects(() => idsOf(model, [1, 2], { signal: early }), Error, "no more");
  const controller = new AbortController();
  let count = 0;
  const stopped = async (): Promise<void> => {
    for await (const _ of generate(model, WORDS, [1, 2], { signal: controller.signal })) {
      if (++count === 3) controller.abort(new Error("enough"));
    }
  };
  await assertRejects(stopped, Error, "enough");
  assertEquals(count, 3);
  for await (const _ of generate(model, WORDS, [1, 2])) {
    assert(backend.memory.liveStorages > before);
    break;
  }
  assertEquals(backend.memory.liveStorages, before);
});

const BATCH = ["<3>", "<1><5><9><2>", "<16><0><7>"];

/** Steps of a batch, greedy. */
async function stepsOf(
  model: LlamaForCausalLM,
  tokenizer: Tokenizer,
  options: GenerateOptions = {},
): Promise<(readonly (GeneratedToken | undefined)[])[]> {
  const steps = [];
  for await (const step of generateBatch(model, tokenizer, BATCH, { temperature: 0, maxTokens: 9, ...options })) {
    steps.push(step);
  }
  return steps;
}

Deno.test("generateBatch: each row's text is what its prompt gives alone", async () => {
  using model = tinyLlama(createScalarBackend());
  const all = await Promise.all(BATCH.map((prompt) => idsOf(model, prompt, { temperature: 0, maxTokens: 9 })));
  const ending = idTokenizer(TINY.vocabSize, [all[0]![2]!]);
  const rows = await Promise.all(BATCH.map((p) => idsOf(model, p, { temperature: 0, maxTokens: 9 }, ending)));
  assert(new Set(rows.map((ids) => ids.length)).size > 1, `rows should end at different steps: ${rows}`);
  const steps = await stepsOf(model, ending);
  const wanted = Array.from(
    { length: Math.max(...rows.map((ids) => ids.length)) },
    (_, step) => rows.map((ids) => ids[step] === undefined ? undefined : { id: ids[step], text: `<${ids[step]}>` }),
  );
  assertEquals(steps, wanted);
  const whole = await stepsOf(model, ending, { ignoreEnd: true });
  assertEquals(whole.map((step) => step.map((token) => token?.id)), all[0]!.map((_, i) => all.map((ids) => ids[i])));
});

Deno.test("generateBatch: a text that ends in the middle of a character has one more step", async () => {
  using model = tinyLlama(createScalarBackend());
  let streams = 0;
  const broken: Tokenizer = {
    ...WORDS,
    // Row 1 never gets its last character's bytes.
    textStream: () => {
      const rest = streams++ % 3 === 1 ? "\ufffd" : "";
      return { push: () => "", end: () => rest };
    },
  };
  const steps = await stepsOf(model, broken);
  assertEquals(steps.length, 10);
  assertEquals(steps[9], [undefined, { id: steps[8]![1]!.id, text: "\ufffd" }, undefined]);
});

/** A text as it is when it is cut before the first of some sequences. */
function before(text: string, stops: readonly string[]): string {
  const found = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
  return text.slice(0, Math.min(text.length, ...found));
}

Deno.test("generate: a stop sequence ends the text before it, and what may become one is held back", async () => {
  const backend = createScalarBackend();
  using model = tinyLlama(backend);
  const left = backend.memory.liveStorages;
  const ids = await idsOf(model, [1, 5, 9], { temperature: 0 });
  const text = WORDS.decode(ids);
  const across = `${ids[2]}><${ids[3]}>`; // it begins in the third token, or before, and ends in the fourth
  for (const stop of [[across], [`<${ids[4]}>`, across], ["<1x>"], [`<${ids.at(-1)}><`], []]) {
    using cache = model.createCache();
    const pieces: GeneratedToken[] = [];
    const options = { temperature: 0, maxTokens: ids.length, stop, cache };
    for await (const token of generate(model, WORDS, [1, 5, 9], options)) pieces.push(token);
    assertEquals(pieces.map((piece) => piece.text).join(""), before(text, stop), `${stop}`);
    if (before(text, stop) === text) continue;
    assert(pieces.length < ids.length, "it should not go on after the sequence");
    assertEquals(cache.length, 3 + pieces.length - 1); // the last token drawn was not fed back
  }
  assertEquals(backend.memory.liveStorages, left);
});

Deno.test("generateBatch: each row stops for itself, and the batch when all have", async () => {
  using model = tinyLlama(createScalarBackend());
  const alone = await Promise.all(BATCH.map((prompt) => idsOf(model, prompt, { temperature: 0, maxTokens: 9 })));
  const texts = alone.map((ids) => WORDS.decode(ids));
  const stop = alone.map((ids, row) => `<${ids[row + 1]}><${ids[row + 2]}>`);
  const wanted = texts.map((text) => before(text, stop));
  assert(new Set(wanted.map((text) => text.length)).size > 1, `rows should stop at different steps: ${wanted}`);
  const steps = await stepsOf(model, WORDS, { stop });
  assertEquals(BATCH.map((_, row) => steps.map((step) => step[row]?.text ?? "").join("")), wanted);
  assert(steps.length < 9, "nothing is computed when all rows have stopped");
});

Deno.test("generate and generateBatch: options that there are none of, and a text for a list, are refused", async () => {
  using model = tinyLlama(createScalarBackend());
  const names = "Cannot generate with an option";
  const refusals: [object, string][] = [
    [{ max_new_tokens: 3 }, `${names} "max_new_tokens": there is none; use maxTokens`],
    [{ ignoreEnds: true }, `${names} "ignoreEnds": there is none; use temperature,`],
    [{ stop_strings: ["."] }, `${names} "stop_strings": there is none; use stop, a list of texts, of generate`],
    [{ stop: "." }, 'Cannot stop at ".": stop sequences are a list of texts'],
    [{ endIds: new Set([1]) }, `${names} "endIds": there is none; use generateTokens, which takes ids to end at`],
  ];
  for (const [options, message] of refusals) {
    await assertRejects(() => generate(model, WORDS, "<1>", options).next(), ShapeError, message);
    await assertRejects(() => generateBatch(model, WORDS, ["<1>"], options).next(), ShapeError, message);
  }
  const text = "<1>" as unknown as string[]; // the types refuse it, JavaScript does not
  await assertRejects(
    () => generateBatch(model, WORDS, text).next(),
    ShapeError,
    'Cannot generate from "<1>": prompts are a list, one a row, of texts or lists of ids; generate takes a single one',
  );
});

Deno.test("generateBatch: wrong prompts name their row", async () => {
  using model = tinyLlama(createScalarBackend());
  const run = async (prompts: readonly (string | readonly number[])[]) => {
    for await (const _ of generateBatch(model, WORDS, prompts)) throw new Error("it should not draw");
  };
  await assertRejects(() => run([]), ShapeError, "Cannot generate from no prompts: give at least one");
  await assertRejects(() => run(["<1>", ""]), ShapeError, "Cannot generate from an empty prompt in row 1");
  await assertRejects(() => run([[1], "<99>"]), ShapeError, "Cannot generate: token 99 in row 1 is outside");
});

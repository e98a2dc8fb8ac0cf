/** What is found in the cache changes how long an answer takes, and nothing in it; with a random model of four layers. */
import { assertEquals, assertRejects } from "@std/assert";
import { fileURLToPath } from "node:url";
import { createWebGpuBackend } from "../../../packages/backend-webgpu/mod.ts";
import { wrappedDevice } from "../../../packages/backend-webgpu/tests/wrapped_device.ts";
import {
  BackendError,
  createBackend,
  generateTokens,
  type LlamaForCausalLM,
  loadModel,
  ShapeError,
} from "../../../packages/heed/mod.ts";
import { idTokenizer } from "../../../packages/text/tests/id_tokenizer.ts";
import { type AnswerOptions, type AnswerPiece, Conversation } from "../src/conversation.ts";
import { openModel } from "../src/open_model.ts";

const FOLDER = fileURLToPath(new URL("../../../packages/conformance/vectors/hf_tiny", import.meta.url));
const END = 7;

async function withModel(run: (model: LlamaForCausalLM, conversation: Conversation) => Promise<void>): Promise<void> {
  const backend = await createBackend("scalar");
  {
    using opened = await openModel(FOLDER);
    using model = await loadModel(opened, { backend });
    using conversation = new Conversation(model, idTokenizer(model.config.vocabSize, [END]));
    await run(model, conversation);
  }
  assertEquals(backend.memory.liveStorages, 0);
  backend.dispose();
}

const GREEDY = { sampling: { temperature: 0 }, maxTokens: 12, signal: new AbortController().signal };

/** The answer's ids, and its last piece. */
async function ask(
  conversation: Conversation,
  prompt: readonly number[],
  options: Partial<AnswerOptions> = {},
): Promise<{ ids: number[]; last: AnswerPiece }> {
  const pieces = await Array.fromAsync(conversation.answer(prompt, { ...GREEDY, ...options }));
  const text = pieces.map((piece) => piece.text).join("");
  return { ids: Array.from(text.matchAll(/\d+/g), Number), last: pieces.at(-1)! };
}

/** The same without a conversation. */
async function wanted(
  model: LlamaForCausalLM,
  prompt: readonly number[],
  seed = 0,
  temperature = 0,
): Promise<number[]> {
  const options = { temperature, seed, maxTokens: 12, endIds: new Set([END]) };
  const ids = (await Array.fromAsync(generateTokens(model, [prompt], options))).map(([id]) => id!);
  return ids.at(-1) === END ? ids.slice(0, -1) : ids;
}

Deno.test("prompts that share their beginning are answered as if each were the first", async () => {
  await withModel(async (model, conversation) => {
    const first = [1, 5, 9, 20, 33];
    const { ids } = await ask(conversation, first);
    const prompts: [number[], number][] = [
      [first, 4], // the last token is computed again
      [[...first, ...ids, 40], -1], // -1: all that is held
      [[...first, 41], 5],
      [[1, 5], 1],
      [[2, 5], 0],
      [Array.from({ length: 100 }, (_, i) => (i * 31) % 97), 0], // several chunks
      [Array.from({ length: 70 }, (_, i) => (i * 31) % 97), 69],
    ];
    let held = first.length + 11; // the last of the twelve was not fed back
    for (const [prompt, cached] of prompts) {
      const { ids, last } = await ask(conversation, prompt);
      assertEquals(ids, await wanted(model, prompt), `${prompt}`);
      assertEquals(last.usage.cached, cached < 0 ? held : cached, `${prompt}`);
      held = prompt.length + last.usage.completion - 1;
    }
  });
});

Deno.test("an answer that draws, draws the same from a cache", async () => {
  await withModel(async (model, conversation) => {
    for (const seed of [1, 2, 3]) {
      const { ids } = await ask(conversation, [3, 1, 4], { sampling: { temperature: 1.5, seed } });
      assertEquals(ids, await wanted(model, [3, 1, 4], seed, 1.5), `seed ${seed}`);
    }
  });
});

Deno.test("an answer that is left, aborted or refused leaves a cache that goes on rightly", async () => {
  await withModel(async (model, conversation) => {
    const prompt = [1, 5, 9];
    const right = await wanted(model, prompt);
    for await (const { usage } of conversation.answer(prompt, GREEDY)) if (usage.completion === 4) break;
    assertEquals((await ask(conversation, prompt)).ids, right);
    const aborting = new AbortController();
    const aborted = assertRejects(
      async () => {
        for await (const { usage } of conversation.answer(prompt, { ...GREEDY, signal: aborting.signal })) {
          if (usage.completion === 3) aborting.abort(new Error("enough"));
        }
      },
      Error,
      "enough",
    );
    await aborted;
    const longer = [...prompt, ...right.slice(0, 2)];
    const { ids, last } = await ask(conversation, longer);
    assertEquals([ids.slice(0, right.length - 2), last.usage.cached], [right.slice(2), 4]);
    await assertRejects(() => ask(conversation, [1, 97]), ShapeError, "outside the vocabulary");
    await assertRejects(() => ask(conversation, []), ShapeError, "empty prompt");
    assertEquals((await ask(conversation, prompt)).ids, right);
    conversation.clear();
    assertEquals((await ask(conversation, prompt)).last.usage.cached, 0);
  });
});

Deno.test("a conversation answers one prompt at a time", async () => {
  await withModel(async (_, conversation) => {
    const pieces = conversation.answer([1], GREEDY);
    await pieces.next();
    await assertRejects(() => ask(conversation, [2]), Error, "Internal: a conversation answers one prompt at a time");
    await pieces.return();
    assertEquals((await ask(conversation, [1])).last.usage.prompt, 1);
  });
});

Deno.test("where a device had no room once, the next prompts are answered", async () => {
  using wrapped = await wrappedDevice();
  const backend = await createWebGpuBackend({ device: wrapped.device });
  {
    using opened = await openModel(FOLDER);
    using model = await loadModel(opened, { backend });
    using conversation = new Conversation(model, idTokenizer(model.config.vocabSize, [END]));
    const { ids } = await ask(conversation, [1, 2, 3], { maxTokens: 3 });
    let refused = 0;
    wrapped.refuses = () => refused++ === 0;
    const long = Array.from({ length: 40 }, (_, i) => i % 11 + 8);
    await assertRejects(() => ask(conversation, long, { maxTokens: 3 }), BackendError, "Cannot allocate");
    assertEquals((await ask(conversation, [1, 2, 3], { maxTokens: 3 })).ids, ids);
    assertEquals((await ask(conversation, long, { maxTokens: 3 })).ids.length, 3);
  }
  backend.dispose();
});

/**
 * Text from a model, a token at a time: the prompt goes through in chunks, then each step feeds back the token just drawn.
 * Every step frees what it made; what grows is the cache alone.
 */
import { ShapeError, tensor, tidy } from "../../core/mod.ts";
import type { KvCache, Tensor } from "../../core/mod.ts";
import type { LlamaForCausalLM } from "../../nn/mod.ts";
import { type SampleOptions, sampleToken } from "./sampling.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Settings of {@linkcode generate}. */
export interface GenerateOptions extends SampleOptions {
  /** Tokens at most; up to the context's end when left out. */
  readonly maxTokens?: number | undefined;
  /** Where keys and values go; one of its own, freed at the end, when left out. */
  readonly cache?: KvCache | undefined;
  /** Ends the generation with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Tokens of the prompt in one pass; 128 when left out. */
  readonly chunkTokens?: number | undefined;
  /** Go on past the model's end tokens. */
  readonly ignoreEnd?: boolean | undefined;
}

/** One token of the answer. */
export interface GeneratedToken {
  /** Its id. */
  readonly id: number;
  /** The characters it completes; empty while a character's bytes are still coming. */
  readonly text: string;
}

/**
 * Continues a prompt.
 *
 * @param prompt text, or ids
 * @throws {ShapeError} when the prompt is empty, longer than the context, or holds an id outside the vocabulary
 */
export async function* generate(
  model: LlamaForCausalLM,
  tokenizer: Tokenizer,
  prompt: string | readonly number[],
  options: GenerateOptions = {},
): AsyncGenerator<GeneratedToken> {
  const ids = typeof prompt === "string" ? tokenizer.encode(prompt) : [...prompt];
  const context = model.config.maxPositionEmbeddings;
  checkPrompt(ids, model.config.vocabSize, context, options.cache?.length ?? 0);
  const cache = options.cache ?? model.createCache();
  try {
    const stream = tokenizer.textStream({ continues: true });
    const room = context - ids.length - cache.length;
    let logits = await prefill(model, ids, cache, options);
    const limit = Math.min(options.maxTokens ?? Infinity, room + 1); // the last token drawn is not fed back
    for (let step = 0; step < limit; step++) {
      await stopIfAborted(options.signal);
      const id = sampleToken(logits, options, step, ids);
      if (options.ignoreEnd !== true && tokenizer.endIds.has(id)) break;
      ids.push(id);
      yield { id, text: stream.push(id) };
      if (step + 1 < limit) logits = await lastLogits(model, [id], cache);
    }
    const rest = stream.end();
    if (rest !== "") yield { id: ids.at(-1)!, text: rest };
  } finally {
    if (options.cache === undefined) cache.dispose();
  }
}

function checkPrompt(ids: readonly number[], vocabSize: number, context: number, past: number): void {
  if (ids.length === 0) throw new ShapeError("Cannot generate from an empty prompt: give at least one token");
  if (past + ids.length > context) {
    throw new ShapeError(
      `Cannot generate from ${ids.length} tokens after ${past}: the context holds ${context}; shorten the prompt`,
    );
  }
  const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (wrong !== undefined) {
    throw new ShapeError(`Cannot generate: token ${wrong} is outside the vocabulary of ${vocabSize}`);
  }
}

/** Runs the prompt through in chunks; only the last token's logits are wanted. */
async function prefill(
  model: LlamaForCausalLM,
  ids: readonly number[],
  cache: KvCache,
  options: GenerateOptions,
): Promise<Float32Array> {
  const size = options.chunkTokens ?? 128;
  let logits = new Float32Array();
  for (let start = 0; start < ids.length; start += size) {
    await stopIfAborted(options.signal);
    logits = await lastLogits(model, ids.slice(start, start + size), cache);
  }
  return logits;
}

/** Lets timers and signals have their turn first: a backend on the CPU would otherwise keep them from ever aborting. */
async function stopIfAborted(signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return;
  await new Promise<void>((resolve) => setTimeout(resolve));
  signal.throwIfAborted();
}

async function lastLogits(
  model: LlamaForCausalLM,
  ids: readonly number[],
  cache: KvCache,
): Promise<Float32Array<ArrayBuffer>> {
  const { backend } = model.lm_head.weight;
  using logits: Tensor = tidy(() => {
    const input = tensor(Int32Array.from(ids), { shape: [1, ids.length], backend });
    return model.forward(input, { cache, logitsToKeep: 1 });
  });
  return Float32Array.from(await logits.data());
}

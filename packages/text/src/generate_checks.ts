/** What a generation is refused for before anything is computed: options out of range, prompts that do not fit the model. */
import { ShapeError } from "../../core/mod.ts";
import { checkNames, showValue } from "../../core/src/errors.ts";
import type { LlamaConfig } from "../../nn/mod.ts";
import type { GenerateOptions } from "./generate.ts";
import type { GenerateTokensOptions } from "./generate_tokens.ts";
import { checkSampleOptions, FOREIGN_SAMPLE_OPTIONS, SAMPLE_OPTIONS } from "./sampling.ts";
import { checkStops } from "./stop_text.ts";

const SHARED = { ...SAMPLE_OPTIONS, maxTokens: true, cache: true, signal: true, chunkTokens: true } as const;
const TOKENS_OPTIONS = { ...SHARED, endIds: true } as const satisfies Record<keyof GenerateTokensOptions, true>;
const TEXT_OPTIONS = { ...SHARED, ignoreEnd: true, stop: true } as const satisfies Record<keyof GenerateOptions, true>;
const FOREIGN: Readonly<Record<string, string>> = {
  ...FOREIGN_SAMPLE_OPTIONS,
  max_new_tokens: "maxTokens",
  maxNewTokens: "maxTokens",
  max_tokens: "maxTokens",
  max_length: "maxTokens, which counts new tokens only",
  use_cache: "cache: model.createCache()",
  past_key_values: "cache: model.createCache()",
  eos_token_id: "endIds of generateTokens",
  ignoreEnd: "no endIds, as when they are left out",
  stop: "generate(model, tokenizer, prompt, { stop }), or a StopText on the tokens' text",
  stop_strings: "stop, a list of texts, of generate",
  stop_sequences: "stop, a list of texts, of generate",
  endIds: "generateTokens, which takes ids to end at, or ignoreEnd",
};

/** @throws {ShapeError} when text is to be generated with an option that there is none of, or no list of texts to stop at */
export function checkTextOptions(options: GenerateOptions): void {
  checkNames("generate", options, TEXT_OPTIONS, FOREIGN);
  if (options.stop !== undefined) checkStops(options.stop);
}

/** @throws {ShapeError} when an option is unknown, or out of its range */
export function checkGenerateOptions(options: GenerateTokensOptions): void {
  checkNames("generate tokens", options, TOKENS_OPTIONS, FOREIGN);
  const { maxTokens = 0, chunkTokens = 1, endIds } = options;
  if (!(maxTokens === Infinity || (Number.isInteger(maxTokens) && maxTokens >= 0))) {
    throw new ShapeError(`Cannot generate with maxTokens ${maxTokens}: it must be an integer of at least 0`);
  }
  if (!(Number.isInteger(chunkTokens) && chunkTokens >= 1)) {
    throw new ShapeError(`Cannot generate with chunkTokens ${chunkTokens}: it must be a positive integer`);
  }
  if (endIds !== undefined && typeof endIds?.has !== "function") {
    throw new ShapeError(`Cannot generate with endIds ${showValue(endIds)}: they are a Set; use new Set([…])`);
  }
  checkSampleOptions(options);
}

/** @throws {ShapeError} when prompts are no list, as a single text is */
export function checkPromptList(prompts: unknown, each: string): void {
  if (Array.isArray(prompts)) return;
  throw new ShapeError(`Cannot generate from ${showValue(prompts)}: prompts are a list, one a row, of ${each}`);
}

/**
 * @param past tokens that the cache already holds
 * @throws {ShapeError} when there is no prompt, or one is empty, too long, or holds an id outside the vocabulary
 */
export function checkPrompts(prompts: readonly (readonly number[])[], config: LlamaConfig, past: number): void {
  checkPromptList(prompts, "lists of ids; generate(model, tokenizer, text) takes a text");
  if (prompts.length === 0) throw new ShapeError("Cannot generate from no prompts: give at least one");
  for (const [row, ids] of prompts.entries()) {
    checkPrompt(ids, prompts.length === 1 ? "" : ` in row ${row}`, config, past);
  }
}

function checkPrompt(ids: readonly number[], where: string, config: LlamaConfig, past: number): void {
  const { maxPositionEmbeddings: context, vocabSize } = config;
  if (!Array.isArray(ids) && !ArrayBuffer.isView(ids)) { // from JavaScript anything may come
    throw new ShapeError(
      `Cannot generate from ${
        showValue(ids)
      }${where}: a prompt is a list of ids; write [ids] for one prompt, and use ` +
        `generate(model, tokenizer, text) for text`,
    );
  }
  if (ids.length === 0) throw new ShapeError(`Cannot generate from an empty prompt${where}: give at least one token`);
  if (past + ids.length > context) {
    const after = past === 0 ? "" : ` after ${past}`;
    throw new ShapeError(
      `Cannot generate from ${ids.length} tokens${after}${where}: the context holds ${context}; shorten the prompt`,
    );
  }
  const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (wrong !== undefined) {
    throw new ShapeError(
      `Cannot generate: token ${showValue(wrong)}${where} is outside the vocabulary of ${vocabSize}`,
    );
  }
}

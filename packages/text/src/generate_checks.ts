/** What a generation is refused for before anything is computed: options out of range, prompts that do not fit the model. */
import { ShapeError } from "../../core/mod.ts";
import type { LlamaConfig } from "../../nn/mod.ts";
import type { GenerateTokensOptions } from "./generate_tokens.ts";
import { checkSampleOptions } from "./sampling.ts";

/** @throws {ShapeError} when an option is out of its range */
export function checkGenerateOptions(options: GenerateTokensOptions): void {
  const { maxTokens = 0, chunkTokens = 1 } = options;
  if (!(maxTokens === Infinity || (Number.isInteger(maxTokens) && maxTokens >= 0))) {
    throw new ShapeError(`Cannot generate with maxTokens ${maxTokens}: it must be an integer of at least 0`);
  }
  if (!(Number.isInteger(chunkTokens) && chunkTokens >= 1)) {
    throw new ShapeError(`Cannot generate with chunkTokens ${chunkTokens}: it must be a positive integer`);
  }
  checkSampleOptions(options);
}

/**
 * @param past tokens that the cache already holds
 * @throws {ShapeError} when there is no prompt, or one is empty, too long, or holds an id outside the vocabulary
 */
export function checkPrompts(prompts: readonly (readonly number[])[], config: LlamaConfig, past: number): void {
  if (prompts.length === 0) throw new ShapeError("Cannot generate from no prompts: give at least one");
  for (const [row, ids] of prompts.entries()) {
    checkPrompt(ids, prompts.length === 1 ? "" : ` in row ${row}`, config, past);
  }
}

function checkPrompt(ids: readonly number[], where: string, config: LlamaConfig, past: number): void {
  const { maxPositionEmbeddings: context, vocabSize } = config;
  if (ids.length === 0) throw new ShapeError(`Cannot generate from an empty prompt${where}: give at least one token`);
  if (past + ids.length > context) {
    throw new ShapeError(
      `Cannot generate from ${ids.length} tokens after ${past}${where}: the context holds ${context}; shorten the prompt`,
    );
  }
  const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (wrong !== undefined) {
    throw new ShapeError(`Cannot generate: token ${wrong}${where} is outside the vocabulary of ${vocabSize}`);
  }
}

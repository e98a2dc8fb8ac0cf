/**
 * Text from a model, a token at a time: tokens as `generateTokens` draws them, each with the characters it completes.
 */
import type { LlamaForCausalLM } from "../../nn/mod.ts";
import { checkPromptList, checkTextOptionNames } from "./generate_checks.ts";
import { generateTokens, type GenerateTokensOptions } from "./generate_tokens.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Settings of {@linkcode generate} and {@linkcode generateBatch}. */
export interface GenerateOptions extends Omit<GenerateTokensOptions, "endIds"> {
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
 * @returns token by token, without the one that ends the text
 * @throws {ShapeError} when the prompt is empty, longer than the context, or holds an id outside the vocabulary; or when
 * an option is out of its range
 */
export async function* generate(
  model: LlamaForCausalLM,
  tokenizer: Tokenizer,
  prompt: string | readonly number[],
  options: GenerateOptions = {},
): AsyncGenerator<GeneratedToken> {
  for await (const [token] of generateBatch(model, tokenizer, [prompt], options)) {
    if (token !== undefined) yield token;
  }
}

/**
 * Continues several prompts at once, as `generateTokens` does.
 *
 * @param prompts text, or ids, by row
 * @returns by step, each row's token; undefined for a row that has ended. Where texts end in the middle of a character,
 * one more step completes it
 * @throws {ShapeError} as {@linkcode generate} does, naming the row
 */
export async function* generateBatch(
  model: LlamaForCausalLM,
  tokenizer: Tokenizer,
  prompts: readonly (string | readonly number[])[],
  options: GenerateOptions = {},
): AsyncGenerator<readonly (GeneratedToken | undefined)[]> {
  checkTextOptionNames(options);
  checkPromptList(prompts, "texts or lists of ids; generate takes a single one");
  const { ignoreEnd, ...rest } = options;
  const endIds: ReadonlySet<number> = ignoreEnd === true ? new Set() : tokenizer.endIds;
  const rows = prompts.map((prompt) => typeof prompt === "string" ? tokenizer.encode(prompt) : prompt);
  const streams = prompts.map(() => tokenizer.textStream({ continues: true }));
  const last: number[] = [];
  for await (const ids of generateTokens(model, rows, { ...rest, endIds })) {
    const tokens = ids.map((id, row): GeneratedToken | undefined => {
      if (id === undefined || endIds.has(id)) return undefined;
      last[row] = id;
      return { id, text: streams[row]!.push(id) };
    });
    if (tokens.some((token) => token !== undefined)) yield tokens;
  }
  const rests = streams.map((stream, row): GeneratedToken | undefined => {
    const text = stream.end();
    return text === "" ? undefined : { id: last[row]!, text };
  });
  if (rests.some((rest) => rest !== undefined)) yield rests;
}

/**
 * Text from a model, a token at a time: tokens as `generateTokens` draws them, each with the characters it completes.
 */
import type { LlamaForCausalLM } from "../../nn/mod.ts";
import { checkPromptList, checkTextOptions } from "./generate_checks.ts";
import { generateTokens, type GenerateTokensOptions } from "./generate_tokens.ts";
import { StopText } from "./stop_text.ts";
import type { TextStream } from "./text_stream.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Settings of {@linkcode generate} and {@linkcode generateBatch}. */
export interface GenerateOptions extends Omit<GenerateTokensOptions, "endIds"> {
  /** Go on past the model's end tokens. */
  readonly ignoreEnd?: boolean | undefined;
  /** Texts that end a row, which they are no part of; what may become one is held back until the next token decides. */
  readonly stop?: readonly string[] | undefined;
}

/** One token of the answer. */
export interface GeneratedToken {
  /** Its id. */
  readonly id: number;
  /** The characters it completes; empty while a character's bytes, or what may be a stop sequence, are still coming. */
  readonly text: string;
}

/**
 * Continues a prompt.
 *
 * @param prompt text, or ids
 * @returns token by token, without the one that ends the text; the one that completes a stop sequence comes last, with the
 * text before the sequence. Where the text ends with some held back, it comes with the last token's id once more
 * @throws {ShapeError} when the prompt is empty, longer than the context, or holds an id outside the vocabulary; or when
 * an option is out of its range
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { initialized, LlamaForCausalLM } from "@heed/heed/nn";
 * import { generate, tokenizerFromJson } from "@heed/heed/text";
 *
 * const config = {
 *   ...{ vocabSize: 4, hiddenSize: 8, intermediateSize: 12, numHiddenLayers: 1, maxPositionEmbeddings: 64 },
 *   ...{ numAttentionHeads: 2, numKeyValueHeads: 1, headDim: 4, rmsNormEps: 1e-5, ropeTheta: 10000 },
 *   ...{ ropeInterleaved: false, attentionBias: false, mlpBias: false, tieWordEmbeddings: true },
 * };
 * using model = new LlamaForCausalLM(config, initialized({ backend: createScalarBackend(), seed: 1 }));
 * const vocab = Object.fromEntries([..."abcd"].map((letter, id) => [letter, id]));
 * const tokenizer = tokenizerFromJson({
 *   pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
 *   model: { type: "BPE", vocab, merges: [] },
 * });
 * let text = "";
 * for await (const token of generate(model, tokenizer, "ab", { stop: ["cc"], seed: 1 })) text += token.text;
 * assertEquals(text, "caadbb"); // "cc" would be next
 * ```
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
 * @returns by step, each row's token; undefined for a row that has ended. Where a text ends in the middle of a character, or
 * of what might have become a stop sequence, one more step completes it
 * @throws {ShapeError} as {@linkcode generate} does, naming the row
 */
export async function* generateBatch(
  model: LlamaForCausalLM,
  tokenizer: Tokenizer,
  prompts: readonly (string | readonly number[])[],
  options: GenerateOptions = {},
): AsyncGenerator<readonly (GeneratedToken | undefined)[]> {
  checkTextOptions(options);
  checkPromptList(prompts, "texts or lists of ids; generate takes a single one");
  const { ignoreEnd, stop = [], ...rest } = options;
  const endIds: ReadonlySet<number> = ignoreEnd === true ? new Set() : tokenizer.endIds;
  const ids = prompts.map((prompt) => typeof prompt === "string" ? tokenizer.encode(prompt) : prompt);
  const rows = prompts.map(() => new Row(tokenizer.textStream({ continues: true }), new StopText(stop)));
  for await (const step of generateTokens(model, ids, { ...rest, endIds })) {
    const tokens = step.map((id, i) => id === undefined || endIds.has(id) ? rows[i]!.end() : rows[i]!.push(id));
    if (tokens.some((token) => token !== undefined)) yield tokens;
    if (rows.every((row) => row.ended)) return;
  }
  const rests = rows.map((row) => row.end());
  if (rests.some((rest) => rest !== undefined)) yield rests;
}

/** The text of one row as it comes. */
class Row {
  readonly #stream: TextStream;
  readonly #stop: StopText;
  #last = -1;
  #ended = false;

  constructor(stream: TextStream, stop: StopText) {
    this.#stream = stream;
    this.#stop = stop;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The next token; undefined when the row has ended. */
  push(id: number): GeneratedToken | undefined {
    if (this.#ended) return undefined;
    this.#last = id;
    const text = this.#stop.push(this.#stream.push(id));
    this.#ended = this.#stop.stopped;
    return { id, text };
  }

  /** Ends the row, and gives what was held back, if anything. */
  end(): GeneratedToken | undefined {
    if (this.#ended) return undefined;
    this.#ended = true;
    const text = this.#stop.push(this.#stream.end()) + this.#stop.end();
    return text === "" ? undefined : { id: this.#last, text };
  }
}

/**
 * A tokenizer from the metadata of a GGUF file (keys `tokenizer.ggml.*`, `tokenizer.chat_template`).
 * Defaults for keys that are absent, and names of pre-tokenisers, are llama.cpp's (`src/llama-vocab.cpp`).
 */

import { quote } from "../../formats/src/format_error.ts";
import { BpeTokenizer, type TokenizerFrame } from "./bpe_tokenizer.ts";
import { ByteLevelModel } from "./byte_level.ts";
import type { PreTokenizerName } from "./pre_tokenize.ts";
import { SentencePieceModel } from "./sentence_piece.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { tokenizerError, TokenKind, Vocabulary } from "./vocabulary.ts";

/** The metadata of a GGUF file: numbers, booleans, strings and arrays of them, by key. */
export type GgufMetadata = ReadonlyMap<string, unknown>;

const PRE_TOKENIZERS: ReadonlyMap<string, PreTokenizerName> = new Map([
  ...["gpt2", "gpt-2", "phi-2", "mpt", "olmo", "jais"].map((name) => [name, "gpt2"] as const),
  ...["llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral", "lfm2"].map((name) => [name, "llama3"] as const),
  ...["qwen2", "deepseek-r1-qwen", "megrez", "stablelm2"].map((name) => [name, "qwen2"] as const),
  ...["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"].map((name) => [name, "smollm"] as const),
]);

/**
 * Makes a tokenizer from a GGUF file's metadata: byte-level BPE (`gpt2`) or SentencePiece-style BPE (`llama`).
 * @param metadata the file's key-value pairs; numeric arrays may be typed arrays.
 * @throws {FormatError} when a key is missing or of the wrong type, the kind of tokenizer is unknown, or its parts do
 * not agree.
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tokenizerFromGguf } from "@heed/heed/text";
 *
 * const tokenizer = tokenizerFromGguf(new Map<string, unknown>([
 *   ["tokenizer.ggml.model", "gpt2"],
 *   ["tokenizer.ggml.pre", "gpt-2"],
 *   ["tokenizer.ggml.tokens", ["a", "b", "Ġ", "Ġa", "ab"]],
 *   ["tokenizer.ggml.merges", ["Ġ a", "a b"]],
 * ]));
 * assertEquals(tokenizer.encode("ab a"), [4, 3]);
 * assertEquals(tokenizer.decode([4, 3]), "ab a");
 * ```
 */
export function tokenizerFromGguf(metadata: GgufMetadata): Tokenizer {
  const model = required(metadata, "tokenizer.ggml.model", string);
  if (model === "gpt2") return byteLevel(metadata);
  if (model === "llama") return sentencePiece(metadata);
  throw tokenizerError(`tokenizer.ggml.model is ${quote(model)}; known are gpt2 and llama`);
}

function byteLevel(metadata: GgufMetadata): Tokenizer {
  const pre = required(metadata, "tokenizer.ggml.pre", string);
  const preTokenizer = PRE_TOKENIZERS.get(pre);
  if (preTokenizer === undefined) {
    const known = [...PRE_TOKENIZERS.keys()].join(", ");
    throw tokenizerError(`tokenizer.ggml.pre is ${quote(pre)}; known are ${known}`);
  }
  const merges = required(metadata, "tokenizer.ggml.merges", strings).map(splitMerge);
  const vocabulary = readVocabulary(metadata, optional(metadata, "tokenizer.ggml.token_type", numbers));
  const isLlama3 = preTokenizer === "llama3";
  const model = new ByteLevelModel({ vocabulary, merges, preTokenizer, ignoreMerges: isLlama3 });
  return new BpeTokenizer(vocabulary, model, readFrame(metadata, vocabulary, isLlama3));
}

function sentencePiece(metadata: GgufMetadata): Tokenizer {
  // Without kinds its byte tokens could not be told from text, so they are required here.
  const vocabulary = readVocabulary(metadata, required(metadata, "tokenizer.ggml.token_type", numbers));
  const scores = Float32Array.from(required(metadata, "tokenizer.ggml.scores", numbers));
  if (scores.length !== vocabulary.size) {
    throw tokenizerError(`tokenizer.ggml.scores has ${scores.length} elements for ${vocabulary.size} tokens`);
  }
  const nan = scores.findIndex(Number.isNaN);
  if (nan >= 0) throw tokenizerError(`tokenizer.ggml.scores[${nan}] is NaN`);
  const addSpacePrefix = optional(metadata, "tokenizer.ggml.add_space_prefix", boolean) ?? true;
  const unknownId = readId(metadata, "unknown", vocabulary);
  const model = new SentencePieceModel({ vocabulary, scores, addSpacePrefix, unknownId });
  return new BpeTokenizer(vocabulary, model, readFrame(metadata, vocabulary, true));
}

/** Splits `Ġ the` at its space; the left token of a merge is never empty. */
function splitMerge(merge: string, rank: number): [string, string] {
  const space = merge.indexOf(" ", 1);
  if (space < 0) throw tokenizerError(`merge ${rank} is ${quote(merge)}, expected two tokens and a space between`);
  return [merge.slice(0, space), merge.slice(space + 1)];
}

function readVocabulary(metadata: GgufMetadata, kinds: ArrayLike<number> | undefined): Vocabulary {
  const tokens = required(metadata, "tokenizer.ggml.tokens", strings);
  if (kinds === undefined) return new Vocabulary(tokens, new Uint8Array(tokens.length).fill(TokenKind.normal));
  if (kinds.length !== tokens.length) {
    throw tokenizerError(`tokenizer.ggml.token_type has ${kinds.length} elements for ${tokens.length} tokens`);
  }
  return new Vocabulary(tokens, kinds);
}

function readFrame(metadata: GgufMetadata, vocabulary: Vocabulary, addsBosByDefault: boolean): TokenizerFrame {
  const bosId = readId(metadata, "bos", vocabulary);
  const eosId = readId(metadata, "eos", vocabulary);
  const ends = [eosId, readId(metadata, "eot", vocabulary), readId(metadata, "eom", vocabulary)];
  const addBos = optional(metadata, "tokenizer.ggml.add_bos_token", boolean) ?? addsBosByDefault;
  const addEos = optional(metadata, "tokenizer.ggml.add_eos_token", boolean) ?? false;
  return {
    bosId,
    eosId,
    padId: readId(metadata, "padding", vocabulary),
    endIds: new Set(ends.filter((id) => id !== undefined)),
    prefixIds: addBos && bosId !== undefined ? [bosId] : [],
    suffixIds: addEos && eosId !== undefined ? [eosId] : [],
    chatTemplate: optional(metadata, "tokenizer.chat_template", string),
  };
}

function readId(metadata: GgufMetadata, name: string, vocabulary: Vocabulary): number | undefined {
  const key = `tokenizer.ggml.${name}_token_id`;
  const id = optional(metadata, key, number);
  if (id === undefined || vocabulary.tokens[id] !== undefined) return id;
  throw tokenizerError(`${key} is ${id}, outside the vocabulary of ${vocabulary.size} tokens`);
}

/** Checks a value's type, or throws naming the key. */
type Check<T> = (value: unknown, key: string) => T;

function optional<T>(metadata: GgufMetadata, key: string, check: Check<T>): T | undefined {
  const value = metadata.get(key);
  return value === undefined ? undefined : check(value, key);
}

function required<T>(metadata: GgufMetadata, key: string, check: Check<T>): T {
  const value = optional(metadata, key, check);
  if (value === undefined) throw tokenizerError(`${key} is missing`);
  return value;
}

function string(value: unknown, key: string): string {
  if (typeof value === "string") return value;
  throw tokenizerError(`${key} is a ${typeof value}, expected a string`);
}

function boolean(value: unknown, key: string): boolean {
  if (typeof value === "boolean") return value;
  throw tokenizerError(`${key} is a ${typeof value}, expected a boolean`);
}

function number(value: unknown, key: string): number {
  if (typeof value === "number") return value;
  throw tokenizerError(`${key} is a ${typeof value}, expected a number`);
}

function strings(value: unknown, key: string): string[] {
  if (!Array.isArray(value)) throw tokenizerError(`${key} is a ${typeof value}, expected an array of strings`);
  return value.map((item: unknown, at) => string(item, `${key}[${at}]`));
}

function numbers(value: unknown, key: string): ArrayLike<number> {
  if (Array.isArray(value)) return value.map((item: unknown, at) => number(item, `${key}[${at}]`));
  if (value instanceof Float32Array || value instanceof Int32Array || value instanceof Uint32Array) return value;
  throw tokenizerError(`${key} is a ${typeof value}, expected an array of numbers`);
}

/**
 * A tokenizer from Hugging Face's `tokenizer.json` (byte-level BPE only) and, for the names of the special tokens and
 * the chat template, `tokenizer_config.json`. A part that this library does not do is an error that names it: a
 * tokenizer that is nearly right would be worse. Fields about padding and truncation belong to callers and are passed
 * over. Source: huggingface/tokenizers `tokenizers/src/tokenizer/serialization.rs`.
 */

import { quote } from "../../formats/src/format_error.ts";
import { BpeTokenizer, type TokenizerFrame } from "./bpe_tokenizer.ts";
import { ByteLevelModel } from "./byte_level.ts";
import { asArray, asBoolean, asIndex, asRecord, asString, describe, type JsonRecord } from "./json_value.ts";
import { checkDecoder, readAffixes, readNormalForm, readPreTokenizer } from "./json_parts.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { tokenizerError, TokenKind, Vocabulary } from "./vocabulary.ts";

/**
 * Makes a tokenizer from the parsed `tokenizer.json` of a Hugging Face model.
 * @param tokenizerJson the parsed file; its model must be a byte-level BPE.
 * @param tokenizerConfig the parsed `tokenizer_config.json`, for bosId, eosId, padId and chatTemplate.
 * @throws {FormatError} when something is missing, of the wrong type, contradictory, or not supported.
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tokenizerFromJson } from "@heed/heed/text";
 *
 * const tokenizer = tokenizerFromJson({
 *   pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
 *   model: { type: "BPE", vocab: { a: 0, b: 1, "Ġ": 2, "Ġa": 3, ab: 4 }, merges: ["Ġ a", "a b"] },
 *   added_tokens: [{ id: 5, content: "<end>", special: true }],
 * });
 * assertEquals(tokenizer.encode("ab a<end>"), [4, 3, 5]);
 * ```
 */
export function tokenizerFromJson(tokenizerJson: unknown, tokenizerConfig?: unknown): Tokenizer {
  const root = asRecord(tokenizerJson, "tokenizer.json");
  const model = asRecord(root["model"], "model");
  checkModel(model);
  checkDecoder(root["decoder"]);
  const vocabulary = readVocabulary(model, root["added_tokens"]);
  const pieceModel = new ByteLevelModel({
    vocabulary,
    merges: asArray(model["merges"], "model.merges").map(readMerge),
    preTokenizer: readPreTokenizer(root["pre_tokenizer"]),
    ignoreMerges: asBoolean(model["ignore_merges"] ?? false, "model.ignore_merges"),
    normalForm: readNormalForm(root["normalizer"]),
  });
  const config = asRecord(tokenizerConfig ?? {}, "tokenizer_config.json");
  return new BpeTokenizer(vocabulary, pieceModel, readFrame(config, vocabulary, root["post_processor"]));
}

/** Refuses settings of a BPE model that change its ids and are not done here. */
function checkModel(model: JsonRecord): void {
  if (model["type"] !== "BPE") throw tokenizerError(`model.type is ${describe(model["type"])}; only BPE is supported`);
  for (const name of ["dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"]) {
    // Absent, null, "", 0 and false all mean that the setting is off.
    if (model[name]) throw tokenizerError(`model.${name} is ${describe(model[name])}, which is not supported`);
  }
}

/** A merge is `"a b"` in older files and `["a", "b"]` in newer ones. */
function readMerge(merge: unknown, rank: number): [string, string] {
  const parts = typeof merge === "string" ? merge.split(" ") : merge;
  if (Array.isArray(parts) && parts.length === 2) {
    const [left, right]: unknown[] = parts;
    if (typeof left === "string" && typeof right === "string") return [left, right];
  }
  throw tokenizerError(`model.merges[${rank}] is ${describe(merge)}, expected two tokens`);
}

function readVocabulary(model: JsonRecord, addedTokens: unknown): Vocabulary {
  const tokens: (string | undefined)[] = [];
  const vocab = Object.entries(asRecord(model["vocab"], "model.vocab"));
  const added = asArray(addedTokens ?? [], "added_tokens").map(readAddedToken);
  const limit = vocab.length + added.length;
  const place = (token: string, id: number): void => {
    if (id >= limit) throw tokenizerError(`token ${quote(token)} has id ${id}, but there are only ${limit} tokens`);
    const other = tokens[id];
    if (other !== undefined && other !== token) {
      throw tokenizerError(`tokens ${quote(other)} and ${quote(token)} both have id ${id}`);
    }
    tokens[id] = token;
  };
  for (const [token, id] of vocab) place(token, asIndex(id, `model.vocab[${quote(token)}]`));
  for (const { token, id } of added) place(token, id);
  const all = Array.from(tokens, (token, id) => {
    if (token === undefined) throw tokenizerError(`no token has id ${id}`);
    return token;
  });
  const kinds = new Uint8Array(all.length).fill(TokenKind.normal);
  for (const { id, kind } of added) kinds[id] = kind;
  return new Vocabulary(all, kinds);
}

function readAddedToken(value: unknown, at: number): { token: string; id: number; kind: number } {
  const where = `added_tokens[${at}]`;
  const fields = asRecord(value, where);
  for (const name of ["single_word", "lstrip", "rstrip"]) {
    if (fields[name]) throw tokenizerError(`${where} sets ${name}, which is not supported`);
  }
  return {
    token: asString(fields["content"], `${where}.content`),
    id: asIndex(fields["id"], `${where}.id`),
    kind: asBoolean(fields["special"] ?? false, `${where}.special`) ? TokenKind.control : TokenKind.userDefined,
  };
}

function readFrame(config: JsonRecord, vocabulary: Vocabulary, postProcessor: unknown): TokenizerFrame {
  const eosId = readSpecialId(config, "eos_token", vocabulary);
  return {
    bosId: readSpecialId(config, "bos_token", vocabulary),
    eosId,
    padId: readSpecialId(config, "pad_token", vocabulary),
    endIds: new Set(eosId === undefined ? [] : [eosId]),
    ...readAffixes(postProcessor, vocabulary),
    chatTemplate: readChatTemplate(config["chat_template"]),
  };
}

/** A special token is named by its text, or by a record with its text as `content`. */
function readSpecialId(config: JsonRecord, name: string, vocabulary: Vocabulary): number | undefined {
  const value = config[name] ?? undefined;
  if (value === undefined) return undefined;
  const token = typeof value === "string" ? value : asString(asRecord(value, name)["content"], `${name}.content`);
  const id = vocabulary.idOf(token);
  if (id === undefined) throw tokenizerError(`${name} is ${quote(token)}, which is not in the vocabulary`);
  return id;
}

/** One template, or several with names, of which `default` is the one for chats. */
function readChatTemplate(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string") return value;
  const named = asArray(value, "chat_template").map((item, at) => asRecord(item, `chat_template[${at}]`));
  const chosen = named.find((item) => item["name"] === "default");
  return chosen === undefined ? undefined : asString(chosen["template"], "chat_template.template");
}

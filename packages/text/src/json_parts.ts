/**
 * The parts of a `tokenizer.json` around its model: normalizer, pre_tokenizer, post_processor, decoder. Each is a
 * record with a `type`, or a Sequence of them.
 */

import { quote } from "../../formats/src/format_error.ts";
import { asArray, asIndex, asRecord, asString, describe, type JsonRecord } from "./json_value.ts";
import type { PreTokenizerName } from "./pre_tokenize.ts";
import { tokenizerError, type Vocabulary } from "./vocabulary.ts";

/** The patterns of `Split` pre-tokenizers, as the files write them. */
const SPLIT_PATTERNS: ReadonlyMap<string, PreTokenizerName> = new Map([
  [String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`, "gpt2"],
  [llama3Pattern(String.raw`\p{N}{1,3}`), "llama3"],
  [llama3Pattern(String.raw`\p{N}`), "qwen2"],
]);

function llama3Pattern(numbers: string): string {
  const words = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+`;
  return String.raw`${words}|${numbers}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
}

/** Which of the known pre-tokenisers a `pre_tokenizer` is. */
export function readPreTokenizer(value: unknown): PreTokenizerName {
  const parts = listParts(value, "pre_tokenizer", "pretokenizers");
  const last = parts.pop();
  if (last === undefined) throw tokenizerError("pre_tokenizer is missing; only byte-level BPE is supported");
  if (last["type"] !== "ByteLevel") throw unsupported("pre_tokenizer", last);
  // Both settings are true when absent.
  if (last["add_prefix_space"] !== false) {
    throw tokenizerError("pre_tokenizer ByteLevel has add_prefix_space on, which is not supported");
  }
  const usesPattern = last["use_regex"] !== false;
  const [first, second] = parts;
  if (second !== undefined) throw unsupported("pre_tokenizer", second);
  if (first === undefined && usesPattern) return "gpt2";
  if (first?.["type"] === "Digits" && first["individual_digits"] === true && usesPattern) return "smollm";
  if (first?.["type"] === "Split" && !usesPattern) return readSplit(first);
  throw unsupported("pre_tokenizer", first ?? last);
}

function readSplit(split: JsonRecord): PreTokenizerName {
  const pattern = asRecord(split["pattern"], "pre_tokenizer Split.pattern")["Regex"];
  const name = typeof pattern === "string" ? SPLIT_PATTERNS.get(pattern) : undefined;
  if (name === undefined || split["behavior"] !== "Isolated" || split["invert"] === true) {
    throw tokenizerError(`pre_tokenizer Split with pattern ${describe(pattern)} is not supported`);
  }
  return name;
}

/** The Unicode normal form that a `normalizer` asks for. */
export function readNormalForm(value: unknown): "NFC" | "NFD" | "NFKC" | "NFKD" | undefined {
  const [first, second] = listParts(value, "normalizer", "normalizers");
  if (first === undefined) return undefined;
  const form = first["type"];
  if (second === undefined && (form === "NFC" || form === "NFD" || form === "NFKC" || form === "NFKD")) return form;
  throw unsupported("normalizer", second ?? first);
}

/** Refuses decoders that would write a text otherwise than byte by byte. */
export function checkDecoder(value: unknown): void {
  for (const part of listParts(value, "decoder", "decoders")) {
    if (part["type"] !== "ByteLevel") throw unsupported("decoder", part);
  }
}

/** The ids that a `post_processor` puts before and after a single text. */
export function readAffixes(value: unknown, vocabulary: Vocabulary): { prefixIds: number[]; suffixIds: number[] } {
  const prefixIds: number[] = [];
  const suffixIds: number[] = [];
  for (const part of listParts(value, "post_processor", "processors")) {
    if (part["type"] === "ByteLevel") continue;
    if (part["type"] !== "TemplateProcessing") throw unsupported("post_processor", part);
    const [before, after] = readTemplate(part, vocabulary);
    prefixIds.unshift(...before);
    suffixIds.push(...after);
  }
  return { prefixIds, suffixIds };
}

/** A template for one text: special tokens, the text (`Sequence`) once, special tokens. */
function readTemplate(part: JsonRecord, vocabulary: Vocabulary): [before: number[], after: number[]] {
  const sides: [number[], number[]] = [[], []];
  const specials = asRecord(part["special_tokens"], "post_processor.special_tokens");
  let side = 0;
  for (const item of asArray(part["single"], "post_processor.single")) {
    const { SpecialToken: special, Sequence: sequence } = asRecord(item, "post_processor.single");
    if (special === undefined) {
      if (sequence === undefined || side === 1) throw unsupported("post_processor", part);
      side = 1;
      continue;
    }
    const name = asString(asRecord(special, "SpecialToken")["id"], "SpecialToken.id");
    const where = `post_processor.special_tokens[${quote(name)}]`;
    for (const id of asArray(asRecord(specials[name], where)["ids"], `${where}.ids`)) {
      sides[side]!.push(checkId(asIndex(id, where), where, vocabulary));
    }
  }
  if (side === 0) throw unsupported("post_processor", part);
  return sides;
}

function checkId(id: number, where: string, vocabulary: Vocabulary): number {
  if (id < vocabulary.size) return id;
  throw tokenizerError(`${where} is ${id}, outside the vocabulary of ${vocabulary.size} tokens`);
}

/** A part as a list: nothing when absent, the members of a Sequence, or itself. */
function listParts(value: unknown, where: string, members: string): JsonRecord[] {
  if (value === undefined || value === null) return [];
  const part = asRecord(value, where);
  if (part["type"] !== "Sequence") return [part];
  return asArray(part[members], `${where}.${members}`).map((member) => asRecord(member, where));
}

function unsupported(where: string, part: JsonRecord): Error {
  return tokenizerError(`${where} ${describe(part["type"])} is not supported, or not with these settings`);
}

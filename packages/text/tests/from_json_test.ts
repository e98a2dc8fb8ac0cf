/** Tokenizers from tokenizer.json: the forms that models use, and the names of parts that are refused. */

import { assertEquals, assertThrows } from "@std/assert";
import { FormatError } from "../../formats/src/format_error.ts";
import { tokenizerFromJson } from "../mod.ts";
import { BYTE_CHARACTERS, tokensOf } from "./small_models.ts";
import { integers } from "./texts.ts";

const GPT2_PATTERN = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
const LLAMA3_PATTERN = String
  .raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const BYTE_LEVEL = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true };
const NO_REGEX = { ...BYTE_LEVEL, use_regex: false };

type Json = Readonly<Record<string, unknown>>;

/** A tokenizer.json: all bytes, `he`, `Ġ1`, `123`, and `<end>` (256 to 262). */
function tokenizerJson(changes: Json = {}, modelChanges: Json = {}): Json {
  const tokens = [...BYTE_CHARACTERS, "he", "Ġ1", "12", "123"];
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [{ id: 260, content: "<end>", single_word: false, lstrip: false, rstrip: false, special: true }],
    normalizer: null,
    pre_tokenizer: BYTE_LEVEL,
    post_processor: BYTE_LEVEL,
    decoder: BYTE_LEVEL,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: "",
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: ["h e", ["Ġ", "1"], "1 2", "12 3"],
      ...modelChanges,
    },
    ...changes,
  };
}

function split(pattern: string): Json {
  const part = { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false };
  return { type: "Sequence", pretokenizers: [part, NO_REGEX] };
}

function wordsOf(preTokenizer: Json): string[] {
  return tokensOf(tokenizerFromJson(tokenizerJson({ pre_tokenizer: preTokenizer })), "he 1234<end>");
}

Deno.test("the pre-tokenisers of known models are recognised", () => {
  const digits = { type: "Sequence", pretokenizers: [{ type: "Digits", individual_digits: true }, BYTE_LEVEL] };
  assertEquals(wordsOf(BYTE_LEVEL), ["he", "Ġ1", "2", "3", "4", "<end>"]);
  assertEquals(wordsOf(split(GPT2_PATTERN)), ["he", "Ġ1", "2", "3", "4", "<end>"]);
  assertEquals(wordsOf(digits), ["he", "Ġ", "1", "2", "3", "4", "<end>"]);
  assertEquals(wordsOf(split(LLAMA3_PATTERN)), ["he", "Ġ", "123", "4", "<end>"]);
  assertEquals(wordsOf(split(LLAMA3_PATTERN.replace("{1,3}", ""))), ["he", "Ġ", "1", "2", "3", "4", "<end>"]);
});

Deno.test("added tokens may lie in the vocabulary or beyond it, special or not", () => {
  const added = [{ id: 256, content: "he", special: false }, { id: 260, content: "<a>" }, {
    id: 261,
    content: "<b>",
    special: true,
  }];
  const tokenizer = tokenizerFromJson(tokenizerJson({ added_tokens: added }, { merges: [] }));
  assertEquals(tokenizer.vocabSize, 262);
  const ids = tokenizer.encode("the<a><b>", { parseSpecial: false });
  assertEquals(ids.slice(1, 3), [256, 260]);
  assertEquals(tokenizer.encode("<b>"), [261]);
});

Deno.test("a normal form is applied to ordinary text", () => {
  const tokenizer = tokenizerFromJson(tokenizerJson({ normalizer: { type: "NFC" } }));
  assertEquals(tokenizer.decode(tokenizer.encode("e\u0301")), "\u00e9");
});

Deno.test("ignore_merges takes a word that is a token whole", () => {
  const tokens = (ignore_merges: boolean) =>
    tokensOf(tokenizerFromJson(tokenizerJson({}, { merges: [], ignore_merges })), "he");
  assertEquals(tokens(true), ["he"]);
  assertEquals(tokens(false), ["h", "e"]);
});

Deno.test("a template says what stands around a text", () => {
  const template = {
    type: "TemplateProcessing",
    single: [{ SpecialToken: { id: "<end>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }, {
      SpecialToken: { id: "<end>" },
    }],
    special_tokens: { "<end>": { id: "<end>", ids: [260], tokens: ["<end>"] } },
  };
  const post_processor = { type: "Sequence", processors: [BYTE_LEVEL, template] };
  const tokenizer = tokenizerFromJson(tokenizerJson({ post_processor }));
  assertEquals(tokenizer.encode("he"), [260, 256, 260]);
  assertEquals(tokenizer.encode("he", { addSpecialTokens: false }), [256]);
});

Deno.test("tokenizer_config.json names special tokens and the chat template", () => {
  const config = { bos_token: null, eos_token: "<end>", pad_token: { content: "<end>" }, chat_template: "{{ x }}" };
  const tokenizer = tokenizerFromJson(tokenizerJson(), config);
  assertEquals([tokenizer.bosId, tokenizer.eosId, tokenizer.padId], [undefined, 260, 260]);
  assertEquals([...tokenizer.endIds], [260]);
  assertEquals(tokenizer.chatTemplate, "{{ x }}");
  const several = [{ name: "tool_use", template: "t" }, { name: "default", template: "d" }];
  assertEquals(tokenizerFromJson(tokenizerJson(), { chat_template: several }).chatTemplate, "d");
  assertEquals(tokenizerFromJson(tokenizerJson()).chatTemplate, undefined);
});

function assertRefused(changes: Json, message: string, config?: unknown): void {
  assertThrows(
    () => tokenizerFromJson(tokenizerJson(changes), config),
    FormatError,
    `Cannot read the tokenizer: ${message}`,
  );
}

Deno.test("parts that are not supported are named", () => {
  const settings = "is not supported, or not with these settings";
  assertRefused({ pre_tokenizer: { type: "Metaspace" } }, `pre_tokenizer "Metaspace" ${settings}`);
  assertRefused({ pre_tokenizer: NO_REGEX }, `pre_tokenizer "ByteLevel" ${settings}`);
  assertRefused({ pre_tokenizer: null }, "pre_tokenizer is missing; only byte-level BPE is supported");
  assertRefused({ pre_tokenizer: split("x+") }, 'pre_tokenizer Split with pattern "x+" is not supported');
  assertRefused({ pre_tokenizer: { type: "ByteLevel" } }, "pre_tokenizer ByteLevel has add_prefix_space on");
  const digits = { type: "Sequence", pretokenizers: [{ type: "Digits", individual_digits: false }, BYTE_LEVEL] };
  assertRefused({ pre_tokenizer: digits }, `pre_tokenizer "Digits" ${settings}`);
  const three = { type: "Sequence", pretokenizers: [{ type: "Digits" }, { type: "Punctuation" }, BYTE_LEVEL] };
  assertRefused({ pre_tokenizer: three }, `pre_tokenizer "Punctuation" ${settings}`);
  assertRefused({ normalizer: { type: "Lowercase" } }, `normalizer "Lowercase" ${settings}`);
  assertRefused({ decoder: { type: "WordPiece" } }, `decoder "WordPiece" ${settings}`);
  assertRefused({ post_processor: { type: "BertProcessing" } }, `post_processor "BertProcessing" ${settings}`);
  const noText = { type: "TemplateProcessing", single: [], special_tokens: {} };
  assertRefused({ post_processor: noText }, `post_processor "TemplateProcessing" ${settings}`);
});

Deno.test("settings of the model and of added tokens that are not supported are named", () => {
  const refused = (modelChanges: Json, message: string) =>
    assertThrows(() => tokenizerFromJson(tokenizerJson({}, modelChanges)), FormatError, message);
  refused({ type: "WordPiece" }, 'model.type is "WordPiece"; only BPE is supported');
  refused({ dropout: 0.1 }, "model.dropout is 0.1, which is not supported");
  refused({ byte_fallback: true }, "model.byte_fallback is true, which is not supported");
  refused({ end_of_word_suffix: "</w>" }, 'model.end_of_word_suffix is "</w>", which is not supported');
  const added = (fields: Json) => ({ added_tokens: [{ id: 260, content: "<end>", ...fields }] });
  for (const name of ["lstrip", "rstrip", "single_word"]) {
    assertRefused(added({ [name]: true }), `added_tokens[0] sets ${name}, which is not supported`);
  }
});

Deno.test("a file that contradicts itself is refused", () => {
  const refused = (modelChanges: Json, message: string) =>
    assertThrows(
      () => tokenizerFromJson(tokenizerJson({ added_tokens: [] }, { merges: [], ...modelChanges })),
      FormatError,
      message,
    );
  refused({ vocab: undefined }, "model.vocab is missing, expected an object");
  refused({ vocab: { a: "0" } }, 'model.vocab["a"] is "0", expected a non-negative integer');
  refused({ vocab: { a: 0, b: 0 } }, 'tokens "a" and "b" both have id 0');
  refused({ vocab: { a: 1e9 } }, 'token "a" has id 1000000000, but there are only 1 tokens');
  refused({ merges: undefined }, "model.merges is missing, expected an array");
  refused({ merges: ["a b c"] }, 'model.merges[0] is "a b c", expected two tokens');
  refused({ merges: [["a", 1]] }, "model.merges[0] is an array, expected two tokens");
  refused({ merges: ["a b"] }, 'merge 0 needs token "ab", which is not in the vocabulary');
  refused({ ignore_merges: 1 }, "model.ignore_merges is 1, expected true or false");
  const gap = { added_tokens: [{ id: 1, content: "x" }, { id: 1, content: "x" }] };
  const model = { type: "BPE", vocab: { x: 1 }, merges: [] };
  assertRefused({ ...gap, model }, "no token has id 0");
  assertRefused({ added_tokens: [{ id: 260, content: "a" }] }, 'tokens 97 and 260 are both "a"');
  assertRefused({ added_tokens: [{ id: 260, content: 5 }] }, "added_tokens[0].content is 5, expected a string");
  const beyond = {
    type: "TemplateProcessing",
    single: [{ SpecialToken: { id: "x" } }, { Sequence: { id: "A" } }],
    special_tokens: { x: { ids: [999] } },
  };
  assertRefused(
    { post_processor: beyond },
    'post_processor.special_tokens["x"] is 999, outside the vocabulary of 261 tokens',
  );
  assertRefused({}, 'eos_token is "<no>", which is not in the vocabulary', { eos_token: "<no>" });
  assertRefused({}, "chat_template is 5, expected an array", { chat_template: 5 });
  assertThrows(() => tokenizerFromJson(null), FormatError, "tokenizer.json is null, expected an object");
  assertThrows(() => tokenizerFromJson([]), FormatError, "tokenizer.json is an array, expected an object");
});

Deno.test("damaged files make a tokenizer or a FormatError (seed 8)", () => {
  const next = integers(8);
  const odd = [null, -1, 3.5, 1e9, "", "BPE", "ByteLevel", true, [], ["a"], [[]], {}, { type: "Sequence" }, {
    type: "Split",
  }];
  // Replaces one value somewhere in the tree, or leaves it out.
  const damage = (value: unknown, depth: number): unknown => {
    if (typeof value !== "object" || value === null || depth === 0) return odd[next(odd.length)];
    const entries = Object.entries(value);
    if (entries.length === 0) return odd[next(odd.length)];
    const at = next(entries.length);
    entries[at]![1] = damage(entries[at]![1], depth - 1);
    return Array.isArray(value) ? entries.map(([, item]) => item) : Object.fromEntries(entries);
  };
  for (let round = 0; round < 2000; round++) {
    try {
      tokenizerFromJson(damage(tokenizerJson({ pre_tokenizer: split(LLAMA3_PATTERN) }), 1 + next(4))).decode([0]);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  }
});

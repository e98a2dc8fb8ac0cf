/** Tokenizers from GGUF metadata: the messages of all that can be wrong with it. */

import { assertEquals, assertThrows } from "@std/assert";
import { FormatError } from "../../formats/src/format_error.ts";
import { tokenizerFromGguf } from "../mod.ts";
import { byteLevel, byteLevelMetadata, sentencePiece } from "./small_models.ts";
import { integers } from "./texts.ts";

type Changes = Readonly<Record<string, unknown>>;

function assertRefused(make: (changes: Changes) => unknown, changes: Changes, message: string): void {
  assertThrows(() => make(changes), FormatError, `Cannot read the tokenizer: ${message}`);
}

Deno.test("missing keys are named", () => {
  for (const key of ["model", "pre", "tokens", "merges"]) {
    assertRefused(byteLevel, { [key]: undefined }, `tokenizer.ggml.${key} is missing`);
  }
  for (const key of ["tokens", "scores", "token_type"]) {
    assertRefused(sentencePiece, { [key]: undefined }, `tokenizer.ggml.${key} is missing`);
  }
});

Deno.test("values of the wrong type are named, elements too", () => {
  assertRefused(byteLevel, { model: 7 }, "tokenizer.ggml.model is a number, expected a string");
  assertRefused(byteLevel, { tokens: "abc" }, "tokenizer.ggml.tokens is a string, expected an array of strings");
  assertRefused(byteLevel, { tokens: ["a", 1] }, "tokenizer.ggml.tokens[1] is a number, expected a string");
  assertRefused(byteLevel, { merges: [true] }, "tokenizer.ggml.merges[0] is a boolean, expected a string");
  assertRefused(byteLevel, { token_type: 1 }, "tokenizer.ggml.token_type is a number, expected an array of numbers");
  assertRefused(byteLevel, { token_type: ["1"] }, "tokenizer.ggml.token_type[0] is a string, expected a number");
  assertRefused(byteLevel, { add_bos_token: 1 }, "tokenizer.ggml.add_bos_token is a number, expected a boolean");
  assertRefused(byteLevel, { bos_token_id: 1n }, "tokenizer.ggml.bos_token_id is a bigint, expected a number");
});

Deno.test("unknown kinds of tokenizer are named, with the known ones", () => {
  assertRefused(byteLevel, { model: "t5" }, 'tokenizer.ggml.model is "t5"; known are gpt2 and llama');
  assertRefused(byteLevel, { pre: "viking" }, 'tokenizer.ggml.pre is "viking"; known are gpt2, gpt-2');
});

Deno.test("a vocabulary that contradicts itself is refused", () => {
  const none = { token_type: undefined, merges: [] };
  assertRefused(byteLevel, { ...none, tokens: [] }, "the vocabulary is empty");
  assertRefused(byteLevel, { ...none, tokens: ["a", "b", "a"] }, 'tokens 0 and 2 are both "a"');
  assertRefused(byteLevel, { token_type: [1, 1] }, "tokenizer.ggml.token_type has 2 elements for 274 tokens");
  assertRefused(byteLevel, { tokens: ["a"], token_type: [257], merges: [] }, "token 0 has unknown kind 257");
  assertRefused(
    byteLevel,
    { bos_token_id: 274 },
    "tokenizer.ggml.bos_token_id is 274, outside the vocabulary of 274 tokens",
  );
  assertRefused(
    byteLevel,
    { ...none, tokens: ["x".repeat(1025), "y"], token_type: [4, 1] },
    "special token 0 has 1025 characters, more than 1024",
  );
});

Deno.test("empty tokens only fill the vocabulary up", () => {
  const ids = { bos_token_id: undefined, eos_token_id: undefined, padding_token_id: undefined };
  const tokenizer = byteLevel({ ...ids, tokens: ["a", "", ""], token_type: [1, 4, 5], merges: [] });
  assertEquals(tokenizer.encode("aa"), [0, 0]);
  assertEquals(tokenizer.decode([1, 0, 2]), "a");
});

Deno.test("merges that name unknown tokens, or no two tokens, are refused", () => {
  const message = (token: string) => `merge 0 needs token "${token}", which is not in the vocabulary`;
  assertRefused(byteLevel, { merges: ["qq a"] }, message("qq"));
  assertRefused(byteLevel, { merges: ["a qq"] }, message("qq"));
  assertRefused(byteLevel, { merges: ["a q"] }, message("aq"));
  assertRefused(byteLevel, { merges: ["aa"] }, 'merge 0 is "aa", expected two tokens and a space between');
});

Deno.test("scores and byte tokens of a SentencePiece-style model are checked", () => {
  assertRefused(sentencePiece, { scores: [1] }, "tokenizer.ggml.scores has 1 elements for 270 tokens");
  const scores = new Array(270).fill(0).with(5, NaN);
  assertRefused(sentencePiece, { scores }, "tokenizer.ggml.scores[5] is NaN");
  const small = { scores: [0], token_type: [6] };
  assertRefused(sentencePiece, { ...small, tokens: ["<0xZZ>"] }, 'byte token 0 is "<0xZZ>", expected the form <0x0A>');
});

Deno.test("numbers may come in typed arrays", () => {
  const small = { unknown_token_id: undefined, bos_token_id: undefined, eos_token_id: undefined, tokens: ["▁", "a"] };
  const tokenizer = sentencePiece({ ...small, scores: Float32Array.of(0, 0), token_type: Int32Array.of(1, 1) });
  assertEquals(tokenizer.encode("a"), [0, 1]);
});

Deno.test("damaged metadata makes a tokenizer or a FormatError (seed 7)", () => {
  const next = integers(7);
  const whole = [...byteLevelMetadata()];
  const odd = [
    undefined,
    null,
    -1,
    3.5,
    NaN,
    1e9,
    7n,
    "",
    "gpt2",
    "llama",
    true,
    [],
    ["a"],
    [1],
    [[]],
    {},
    Int32Array.of(2),
  ];
  for (let round = 0; round < 2000; round++) {
    const damaged = new Map<string, unknown>(whole);
    for (let change = next(3); change >= 0; change--) damaged.set(whole[next(whole.length)]![0], odd[next(odd.length)]);
    try {
      tokenizerFromGguf(damaged).decode([0]);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  }
});

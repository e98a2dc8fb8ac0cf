/** Pre-tokenisers: chosen texts, and the scanners against the patterns they stand for. */

import { assertEquals } from "@std/assert";
import { preTokenize, type PreTokenizerName } from "../src/pre_tokenize.ts";
import { integers, randomText, TRICKY } from "./texts.ts";

function checkWords(name: PreTokenizerName, expected: readonly (readonly string[])[]): void {
  for (const words of expected) assertEquals(preTokenize(words.join(""), name), words);
}

Deno.test("gpt2 cuts contractions, runs of digits, punctuation and whitespace", () => {
  checkWords("gpt2", [
    [],
    ["Hello", ",", " world", "!"],
    ["they", "'d", "'ve", " I", "'ll", " DON", "'", "T", " '", "s"],
    ["x", "12345", " 678½²"],
    ["a", "  ", " b", "\n", "c", "\n\n", "\n", "d", "   "],
    ["\t", "x", " ", "\t", "x"],
    ["日本語", "、", " テキスト"],
    ["hi", " 😀👩‍👩‍👧!"],
    ["a", "\u00a0", "b", "\u0085", "c", "\ufeff", "d"],
    ["e", "\u0301", "e"],
  ]);
});

Deno.test("smollm takes every number character alone, and whitespace before one whole", () => {
  checkWords("smollm", [
    ["in", " ", "2", "0", "2", "4", ",", "½", "²", "Ⅷ"],
    ["a", "   ", "1", "  ", " b"],
    ["it", "'s", "3", "'s"],
  ]);
});

Deno.test("llama3 joins one odd character to letters, digits by three, punctuation with line breaks", () => {
  checkWords("llama3", [
    ["Don", "'T", " we", "'LL", "'ſ", " x"],
    ["123", "456", "7", " ", "89"],
    ["(foo", ")\n\n", "bar", ".baz"],
    ["a", "\n\n", "   ", " b", " \n", " c"],
    ["x", " \n \n", "  ", " y", "\t", "\tz"],
    ["end", "  \n"],
    ["日本", "、テキスト", " 😀😀"],
  ]);
});

Deno.test("qwen2 is llama3 with every digit alone", () => {
  checkWords("qwen2", [["1", "2", "3", " ", "4", "a", " b", "...\n", "c"]]);
});

const GPT2 =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** The llama3 pattern with `(?i:…)` written out, its number part left open. */
function llama3Pattern(numbers: string): RegExp {
  return new RegExp(
    String.raw`'(?:[sSſ]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|${numbers}|` +
      String.raw` ?[^\p{White_Space}\p{L}\p{N}]+[\r\n]*|\p{White_Space}*[\r\n]+|` +
      String.raw`\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+`,
    "gu",
  );
}

const BY_PATTERN: Readonly<Record<PreTokenizerName, (text: string) => string[]>> = {
  gpt2: (text) => text.match(GPT2) ?? [],
  smollm: (text) => text.split(/(\p{N})/u).flatMap((piece) => piece.match(GPT2) ?? []),
  llama3: (text) => text.match(llama3Pattern(String.raw`\p{N}{1,3}`)) ?? [],
  qwen2: (text) => text.match(llama3Pattern(String.raw`\p{N}`)) ?? [],
};

Deno.test("every scanner cuts as its pattern does (seed 1)", () => {
  const next = integers(1);
  for (let round = 0; round < 3000; round++) {
    const text = randomText(next, TRICKY, 20);
    for (const name of ["gpt2", "smollm", "llama3", "qwen2"] as const) {
      assertEquals(preTokenize(text, name), BY_PATTERN[name](text), `${name}: ${JSON.stringify(text)}`);
    }
  }
});

Deno.test("a run longer than any backtracking stack is one word", () => {
  const text = "😀".repeat(9_000_000);
  assertEquals(preTokenize(text, "gpt2").length, 1);
});

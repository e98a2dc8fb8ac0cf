/** SentencePiece-style BPE: scores, the space in front, byte fallback, round trips. */

import { assertEquals, assertThrows } from "@std/assert";
import { FormatError } from "../../formats/src/format_error.ts";
import { sentencePiece, tokensOf } from "./small_models.ts";
import { integers, randomText, TRICKY } from "./texts.ts";

Deno.test("the highest score merges first, the leftmost of equals", () => {
  const tokenizer = sentencePiece();
  assertEquals(tokensOf(tokenizer, "abc"), ["▁a", "bc"]);
  assertEquals(tokensOf(tokenizer, "cabc"), ["▁", "c", "ab", "c"]);
  assertEquals(tokensOf(tokenizer, "a  b"), ["▁a", "▁▁", "b"]);
});

Deno.test("a text gets a space in front, also after a special token, and loses it again", () => {
  const tokenizer = sentencePiece();
  assertEquals(tokensOf(tokenizer, "a</s>a<tool>b"), ["▁a", "</s>", "▁a", "<tool>", "▁", "b"]);
  for (const text of ["a</s>a<tool>b", " a", "  ", "</s> a", ""]) {
    assertEquals(tokenizer.decode(tokenizer.encode(text, { addSpecialTokens: false })), text);
  }
  assertEquals(tokenizer.encode("a").map((id) => tokenizer.tokenOf(id)), ["<s>", "▁a"]);
  assertEquals(tokenizer.decode(tokenizer.encode("a")), "<s>a");
});

Deno.test("add_space_prefix false leaves a text as it is", () => {
  const tokenizer = sentencePiece({ add_space_prefix: false });
  assertEquals(tokensOf(tokenizer, "a a"), ["a", "▁a"]);
  assertEquals(tokenizer.decode(tokenizer.encode(" a", { addSpecialTokens: false })), " a");
});

Deno.test("ids that go on from others keep their first space", () => {
  const tokenizer = sentencePiece();
  const ids = [tokenizer.idOf("▁a")!];
  assertEquals(tokenizer.decode(ids), "a");
  assertEquals(tokenizer.decode(ids, { continues: true }), " a");
});

Deno.test("characters without a token become bytes, streamed when complete", () => {
  const tokenizer = sentencePiece();
  assertEquals(tokensOf(tokenizer, "é😀"), ["▁", "é", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>"]);
  const stream = tokenizer.textStream();
  const pieces = tokenizer.encode("é😀a", { addSpecialTokens: false }).map((id) => stream.push(id));
  assertEquals(pieces, ["", "é", "", "", "", "😀", "a"]);
});

Deno.test("the text of markup is no token when merging: it is spelt", () => {
  const tokenizer = sentencePiece();
  const ids = tokenizer.encode("</s>", { parseSpecial: false, addSpecialTokens: false });
  assertEquals(tokenizer.tokenOf(ids[1]!), "<0x3C>");
  assertEquals(tokenizer.decode(ids), "</s>");
  const control = sentencePiece({
    tokens: ["▁", "x", "y", "xy"],
    token_type: [1, 1, 1, 3],
    scores: [0, 0, 0, 0],
    ...NO_IDS,
  });
  const spelt = control.encode("xy", { parseSpecial: false });
  assertEquals(spelt.map((id) => control.tokenOf(id)), ["▁", "x", "y"]);
});

const NO_IDS = { unknown_token_id: undefined, bos_token_id: undefined, eos_token_id: undefined };

Deno.test("without byte tokens an unknown character is the unknown token, or is refused", () => {
  const small = { tokens: ["<unk>", "▁", "a"], token_type: [2, 1, 1], scores: [0, -1, -2] };
  const tokenizer = sentencePiece({ ...small, ...NO_IDS, unknown_token_id: 0 });
  assertEquals(tokensOf(tokenizer, "aéa"), ["▁", "a", "<unk>", "a"]);
  assertThrows(
    () => sentencePiece({ ...small, ...NO_IDS }).encode("é"),
    FormatError,
    'Cannot encode "é": the vocabulary has no token for it, none for its bytes, and no unknown token',
  );
});

Deno.test("a vocabulary without ▁ spells a space as its byte", () => {
  const tokenizer = sentencePiece({ tokens: ["<0x20>", "a"], token_type: [6, 1], scores: [0, 0], ...NO_IDS });
  assertEquals(tokensOf(tokenizer, "a a"), ["<0x20>", "a", "<0x20>", "a"]);
  assertEquals(tokenizer.decode([0, 1, 0, 1]), "a a");
});

Deno.test("any text comes back exactly, whole and streamed (seed 6)", () => {
  const next = integers(6);
  for (const add_space_prefix of [true, false]) {
    const tokenizer = sentencePiece({ add_space_prefix });
    for (let round = 0; round < 1000; round++) {
      const text = randomText(next, [...TRICKY, "a", "ab", "bc", " ", "  ", "<s>", "<tool>"], 25);
      for (const parseSpecial of [true, false]) {
        const ids = tokenizer.encode(text, { parseSpecial, addSpecialTokens: false });
        assertEquals(tokenizer.decode(ids), text);
        const stream = tokenizer.textStream();
        assertEquals(ids.map((id) => stream.push(id)).join("") + stream.end(), text);
      }
    }
  }
});

Deno.test("a million characters are encoded, not waited for", () => {
  const text = "abc".repeat(300_000);
  const tokenizer = sentencePiece();
  assertEquals(tokenizer.decode(tokenizer.encode(text), { skipSpecial: true }), text);
});

/** Byte-level BPE: merges, special tokens, decoding piece by piece, round trips. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { ShapeError } from "../../core/src/errors.ts";
import { FormatError } from "../../formats/src/format_error.ts";
import { BYTE_CHARACTERS, byteLevel, byteLevelMetadata, tokensOf } from "./small_models.ts";
import { integers, randomText, TRICKY } from "./texts.ts";

Deno.test("byte-level merges apply in the order of their list, within words", () => {
  const tokenizer = byteLevel();
  assertEquals(tokensOf(tokenizer, "hello world"), ["hello", "Ġworld"]);
  assertEquals(tokensOf(tokenizer, "hellhe"), ["hell", "he"]);
  assertEquals(tokensOf(tokenizer, "aaaaaaa"), ["aaaa", "aa", "a"]);
  assertEquals(tokensOf(tokenizer, "日本"), ["æĹ¥", "æ", "ľ", "¬"]);
  assertEquals(tokensOf(tokenizer, ""), []);
});

Deno.test("a word that is a token is taken whole under llama3 alone", () => {
  const metadata = byteLevelMetadata();
  const tokens = [...(metadata.get("tokenizer.ggml.tokens") as string[]), "xyz"]; // tests know what they put in
  const changes = { tokens, token_type: tokens.map(() => 1) };
  assertEquals(tokensOf(byteLevel(changes), "xyz"), ["x", "y", "z"]);
  assertEquals(tokensOf(byteLevel({ ...changes, pre: "llama-bpe" }), "xyz"), ["xyz"]);
});

Deno.test("special tokens are found longest first, and stay text where they are not to be parsed", () => {
  const tokenizer = byteLevel();
  assertEquals(tokensOf(tokenizer, "<|start|>xhe<|end|>"), ["<|start|>x", "he", "<|end|>"]);
  assertEquals(tokensOf(tokenizer, "<|start|><|start"), ["<|start|>", "<", "|", "s", "t", "a", "r", "t"]);
  const plain = tokenizer.encode("<|end|><tool>", { parseSpecial: false });
  assertEquals(plain.map((id) => tokenizer.tokenOf(id)), ["<", "|", "e", "n", "d", "|", ">", "<tool>"]);
  assertEquals(tokenizer.decode(plain), "<|end|><tool>");
});

Deno.test("encode frames a text as the model asks, unless told not to", () => {
  const framed = byteLevel({ add_bos_token: true, add_eos_token: true });
  assertEquals(framed.encode("he").map((id) => framed.tokenOf(id)), ["<|start|>", "he", "<|end|>"]);
  assertEquals(framed.encode(""), [1, 0]);
  assertEquals(tokensOf(framed, "he"), ["he"]);
  assertEquals(byteLevel().encode(""), []);
  assertEquals(byteLevel({ pre: "llama3" }).encode(""), [1]);
});

Deno.test("a tokenizer tells its ids", () => {
  const tokenizer = byteLevel({ eot_token_id: 2, "tokenizer.chat_template": "{{ messages }}" });
  assertEquals([tokenizer.bosId, tokenizer.eosId, tokenizer.padId], [1, 0, 0]);
  assertEquals([...tokenizer.endIds], [0, 2]);
  assertEquals(tokenizer.chatTemplate, "{{ messages }}");
  assertEquals(tokenizer.vocabSize, 4 + 256 + 14);
  assertEquals(tokenizer.idOf("<tool>"), 3);
  assertEquals(tokenizer.idOf("no such token"), undefined);
  assertEquals(tokenizer.tokenOf(1), "<|start|>");
});

Deno.test("decode leaves out special tokens when asked, and keeps user-defined ones", () => {
  const ids = byteLevel().encode("<|start|>hello<tool><|end|>");
  assertEquals(byteLevel().decode(ids), "<|start|>hello<tool><|end|>");
  assertEquals(byteLevel().decode(ids, { skipSpecial: true }), "hello<tool>");
});

Deno.test("a text stream holds bytes back until their character is complete", () => {
  const tokenizer = byteLevel();
  const stream = tokenizer.textStream();
  const pieces = tokenizer.encode("a😀日\ufeff").map((id) => stream.push(id));
  assertEquals(pieces, ["a", "", "", "", "😀", "日", "", "", "\ufeff"]);
  assertEquals(stream.end(), "");
});

Deno.test("bytes that are not UTF-8 become U+FFFD, at the latest when the stream ends", () => {
  const tokenizer = byteLevel();
  const idOfByte = (byte: number) => tokenizer.idOf(BYTE_CHARACTERS[byte]!)!;
  const stream = tokenizer.textStream();
  assertEquals([0xf0, 0x9f, 0x61].map((byte) => stream.push(idOfByte(byte))), ["", "", "\ufffda"]);
  assertEquals(stream.push(idOfByte(0xe6)), "");
  assertEquals(stream.end(), "\ufffd");
  assertEquals(tokenizer.decode([0xff, 0x62].map(idOfByte)), "\ufffdb");
});

Deno.test("a token outside the byte alphabet decodes as its own text", () => {
  const tokens = [...BYTE_CHARACTERS, "pad 日"];
  const tokenizer = byteLevel({ tokens, token_type: undefined, merges: [] });
  assertEquals(tokenizer.decode([256]), "pad 日");
});

Deno.test("ids outside the vocabulary are refused", () => {
  const tokenizer = byteLevel();
  for (const id of [-1, 274, 1.5, NaN]) {
    const message = `Cannot decode id ${id}: the vocabulary has ids 0 to 273`;
    assertThrows(() => tokenizer.decode([4, id]), ShapeError, message);
    assertThrows(() => tokenizer.tokenOf(id), ShapeError, message);
    assertThrows(() => tokenizer.textStream().push(id), ShapeError, message);
  }
});

Deno.test("half a surrogate pair and a byte without a token are refused", () => {
  const halved = "Cannot encode the text: it holds half a surrogate pair; pass text.toWellFormed()";
  assertThrows(() => byteLevel().encode("a\ud83d"), FormatError, halved);
  assertThrows(() => byteLevel().encode("\ude00a", { parseSpecial: false }), FormatError, halved);
  const few = byteLevel({ tokens: ["a", "b"], token_type: [1, 1], merges: [] });
  const missing = "Cannot encode byte 0x63 of the text: the vocabulary has no token for it; leave the character out";
  assertThrows(() => few.encode("abc"), FormatError, missing);
  assertEquals(few.encode("ab"), [0, 1]);
});

Deno.test("any text comes back exactly, whole and streamed (seed 3)", () => {
  const next = integers(3);
  for (const pre of ["gpt-2", "smollm", "llama-bpe", "qwen2"]) {
    const tokenizer = byteLevel({ pre });
    for (let round = 0; round < 500; round++) {
      const text = randomText(next, [...TRICKY, "hello", " world", "<|start|>", "<tool>", "aaaa"], 30);
      for (const parseSpecial of [true, false]) {
        const ids = tokenizer.encode(text, { parseSpecial, addSpecialTokens: false });
        assertEquals(tokenizer.decode(ids), text);
        const stream = tokenizer.textStream();
        assertEquals(ids.map((id) => stream.push(id)).join("") + stream.end(), text);
      }
    }
  }
});

Deno.test("any UTF-16 comes back exactly or is refused (seed 4)", () => {
  const next = integers(4);
  const tokenizer = byteLevel({ pre: "llama-bpe", add_bos_token: false });
  let refused = 0;
  for (let round = 0; round < 1000; round++) {
    const units = Array.from({ length: next(12) }, () => (next(4) === 0 ? 0xd800 + next(0x800) : next(0x10000)));
    const text = String.fromCharCode(...units);
    if (text.isWellFormed()) {
      assertEquals(tokenizer.decode(tokenizer.encode(text)), text);
    } else {
      assertThrows(() => tokenizer.encode(text), FormatError);
      refused++;
    }
  }
  assert(refused > 100 && refused < 1000, `${refused} refused`);
});

Deno.test("any ids decode to well-formed text, streamed as whole (seed 5)", () => {
  const next = integers(5);
  const tokenizer = byteLevel();
  for (let round = 0; round < 500; round++) {
    const ids = Array.from({ length: next(30) }, () => next(tokenizer.vocabSize));
    const text = tokenizer.decode(ids);
    assert(text.isWellFormed());
    const stream = tokenizer.textStream();
    assertEquals(ids.map((id) => stream.push(id)).join("") + stream.end(), text);
  }
});

Deno.test("a word of a million bytes is encoded, not waited for", () => {
  const text = "a".repeat(1_000_001);
  const ids = byteLevel().encode(text);
  assertEquals(ids.length, 250_001);
  assertEquals(byteLevel().decode(ids), text);
});

Deno.test("more words than the cache holds are encoded alike", () => {
  const tokenizer = byteLevel();
  const text = Array.from({ length: 40_000 }, (_, at) => ` w${String.fromCharCode(0x4e00 + (at % 20_000))}`).join("");
  assertEquals(tokenizer.decode(tokenizer.encode(text)), text);
});

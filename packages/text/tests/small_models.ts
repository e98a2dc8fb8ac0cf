/** Small tokenizers for tests, as the metadata of GGUF files. */

import { type GgufMetadata, type Tokenizer, tokenizerFromGguf } from "../mod.ts";

/** The byte-level alphabet, by byte. */
export const BYTE_CHARACTERS: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  if ((byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad)) return String.fromCharCode(byte);
  const below = byte <= 0x20 ? byte : byte <= 0xa0 ? byte - 0x7f + 33 : 67;
  return String.fromCharCode(0x100 + below);
});

/** Special tokens of the byte-level model: ids 0 to 3, the last one user-defined. */
export const SPECIALS = ["<|end|>", "<|start|>", "<|start|>x", "<tool>"] as const;

const MERGES = [
  "h e",
  "l l",
  "he ll",
  "hell o",
  "Ġ w",
  "o r",
  "Ġw or",
  "l d",
  "Ġwor ld",
  "Ġ Ġ",
  "æ Ĺ",
  "æĹ ¥",
  "a a",
  "aa aa",
];

/** Metadata of a byte-level model: specials, all bytes, a few merges. */
export function byteLevelMetadata(changes: Readonly<Record<string, unknown>> = {}): GgufMetadata {
  const tokens = [...SPECIALS, ...BYTE_CHARACTERS, ...MERGES.map((merge) => merge.replace(" ", ""))];
  return metadata(changes, {
    model: "gpt2",
    pre: "gpt-2",
    tokens,
    token_type: tokens.map((_, id) => (id < 3 ? 3 : id === 3 ? 4 : 1)),
    merges: MERGES,
    bos_token_id: 1,
    eos_token_id: 0,
    padding_token_id: 0,
  });
}

/** Pieces of the SentencePiece-style model beyond specials and bytes, with their scores. */
const PIECES: readonly (readonly [string, number])[] = [
  ["▁", -20],
  ["a", -21],
  ["b", -22],
  ["c", -23],
  ["▁a", -1],
  ["ab", -2],
  ["bc", -2],
  ["▁ab", -3],
  ["▁▁", -4],
  ["é", -24],
];

/** Metadata of a SentencePiece-style model: `<unk> <s> </s>`, a user-defined token, all bytes, a few pieces. */
export function sentencePieceMetadata(changes: Readonly<Record<string, unknown>> = {}): GgufMetadata {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  const tokens = ["<unk>", "<s>", "</s>", "<tool>", ...bytes, ...PIECES.map(([piece]) => piece)];
  return metadata(changes, {
    model: "llama",
    tokens,
    token_type: [2, 3, 3, 4, ...bytes.map(() => 6), ...PIECES.map(() => 1)],
    scores: [0, 0, 0, 0, ...bytes.map(() => 0), ...PIECES.map(([, score]) => score)],
    unknown_token_id: 0,
    bos_token_id: 1,
    eos_token_id: 2,
  });
}

/** The tokens of a text, as the vocabulary writes them, without what the model puts around a text. */
export function tokensOf(tokenizer: Tokenizer, text: string): string[] {
  return tokenizer.encode(text, { addSpecialTokens: false }).map((id) => tokenizer.tokenOf(id));
}

/** The byte-level model, changed; a key changed to undefined is left out. */
export function byteLevel(changes: Readonly<Record<string, unknown>> = {}): Tokenizer {
  return tokenizerFromGguf(byteLevelMetadata(changes));
}

/** The SentencePiece-style model, changed; a key changed to undefined is left out. */
export function sentencePiece(changes: Readonly<Record<string, unknown>> = {}): Tokenizer {
  return tokenizerFromGguf(sentencePieceMetadata(changes));
}

function metadata(changes: Readonly<Record<string, unknown>>, values: Readonly<Record<string, unknown>>): GgufMetadata {
  const entries = Object.entries({ ...values, ...changes }).filter(([, value]) => value !== undefined);
  return new Map(entries.map(([key, value]) => [key.startsWith("tokenizer.") ? key : `tokenizer.ggml.${key}`, value]));
}

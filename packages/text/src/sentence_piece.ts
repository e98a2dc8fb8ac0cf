/**
 * SentencePiece-style BPE, GGUF's `llama` (Llama 2, Mistral, TinyLlama): no words; spaces are written `▁` (U+2581); of
 * all neighbours whose joined text is a token, the one with the highest score merges first. A character without a token
 * becomes the tokens of its UTF-8 bytes (`<0xE2>`), or the unknown token in a vocabulary without those.
 * As in SentencePiece itself, a `▁` in the text cannot be told from a space.
 * Sources: google/sentencepiece `src/bpe_model.cc`, llama.cpp `llm_tokenizer_spm`.
 */

import { FormatError, quote } from "../../formats/src/format_error.ts";
import { mergeSymbols, type MergeTable } from "./merge.ts";
import { type PieceModel, utf8Bytes } from "./piece_model.ts";
import { tokenizerError, TokenKind, type Vocabulary } from "./vocabulary.ts";

const SPACE_SIGN = "▁";

/** What makes one SentencePiece-style model differ from another. */
export interface SentencePieceOptions {
  readonly vocabulary: Vocabulary;
  /** One a token; higher merges first. */
  readonly scores: Float32Array;
  readonly addSpacePrefix: boolean;
  readonly unknownId: number | undefined;
}

/** The SentencePiece-style BPE of one vocabulary. */
export class SentencePieceModel implements PieceModel {
  readonly addsSpacePrefix: boolean;
  readonly #options: SentencePieceOptions;
  readonly #byteIds: readonly (number | undefined)[];
  readonly #byteOfId: ReadonlyMap<number, number>;
  readonly #merges: MergeTable;

  /** @throws {FormatError} when a byte token is not written `<0xNN>`. */
  constructor(options: SentencePieceOptions) {
    this.addsSpacePrefix = options.addSpacePrefix;
    this.#options = options;
    this.#byteOfId = byteTokens(options.vocabulary);
    const byteIds: (number | undefined)[] = new Array(256).fill(undefined);
    for (const [id, byte] of this.#byteOfId) byteIds[byte] = id;
    this.#byteIds = byteIds;
    this.#merges = scoredMerges(options.vocabulary, options.scores);
  }

  encode(text: string, ids: number[]): void {
    const { vocabulary } = this.#options;
    const spaced = (this.addsSpacePrefix ? " " + text : text).replaceAll(" ", SPACE_SIGN);
    const symbols: number[] = [];
    for (const character of spaced) {
      symbols.push(vocabulary.mergeableId(character) ?? vocabulary.size + character.codePointAt(0)!);
    }
    for (const symbol of mergeSymbols(Int32Array.from(symbols), this.#merges)) {
      if (symbol < vocabulary.size) ids.push(symbol);
      else this.#spell(String.fromCodePoint(symbol - vocabulary.size), ids);
    }
  }

  bytesOf(id: number): Uint8Array {
    const byte = this.#byteOfId.get(id);
    if (byte !== undefined) return Uint8Array.of(byte);
    return utf8Bytes(this.#options.vocabulary.tokenOf(id).replaceAll(SPACE_SIGN, " "));
  }

  /** Appends the byte tokens of a character that is no token, or the unknown token. */
  #spell(character: string, ids: number[]): void {
    const bytes = Array.from(utf8Bytes(character.replace(SPACE_SIGN, " ")), (byte) => this.#byteIds[byte]);
    if (!bytes.includes(undefined)) {
      for (const id of bytes) ids.push(id!);
    } else if (this.#options.unknownId !== undefined) {
      ids.push(this.#options.unknownId);
    } else {
      const name = quote(character);
      throw new FormatError(
        `Cannot encode ${name}: the vocabulary has no token for it, none for its bytes, and no unknown token`,
      );
    }
  }
}

function byteTokens(vocabulary: Vocabulary): Map<number, number> {
  const bytes = new Map<number, number>();
  for (const [id, token] of vocabulary.tokens.entries()) {
    if (vocabulary.kindOf(id) !== TokenKind.byte) continue;
    const hex = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1];
    if (hex === undefined) throw tokenizerError(`byte token ${id} is ${quote(token)}, expected the form <0x0A>`);
    bytes.set(id, parseInt(hex, 16));
  }
  return bytes;
}

/** A merge is the id of the token it makes. Symbols beyond the vocabulary are characters without a token. */
function scoredMerges(vocabulary: Vocabulary, scores: Float32Array): MergeTable {
  const descending = [...new Set(scores)].sort((a, b) => b - a);
  const placeOfScore = new Map(descending.map((score, place) => [score, place]));
  const priorities = Int32Array.from(scores, (score) => placeOfScore.get(score)!);
  const longest = vocabulary.tokens.reduce((length, token) => Math.max(length, token.length), 0);
  const textOf = (symbol: number): string =>
    symbol < vocabulary.size ? vocabulary.tokens[symbol]! : String.fromCodePoint(symbol - vocabulary.size);
  const find = (left: number, right: number): number => {
    const leftText = textOf(left);
    const rightText = textOf(right);
    if (leftText.length + rightText.length > longest) return -1;
    return vocabulary.mergeableId(leftText + rightText) ?? -1;
  };
  return { find, priorityOf: (id) => priorities[id]!, symbolOf: (id) => id };
}

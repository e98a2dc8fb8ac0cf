/**
 * Byte-level BPE (GPT-2, Llama 3, Qwen 2, SmolLM): text is cut into words, a word's UTF-8 bytes are the first symbols,
 * and merges apply in the order of their list. Vocabularies write a byte as a printable character: bytes that are
 * printable in Latin-1 stand for themselves, the 68 others follow from U+0100 on (a space is `Ġ`). Source: openai/gpt-2
 * `src/encoder.py`.
 */

import { FormatError, quote } from "../../formats/src/format_error.ts";
import { mergeSymbols, type MergeTable } from "./merge.ts";
import { type PieceModel, utf8Bytes } from "./piece_model.ts";
import { preTokenize, type PreTokenizerName } from "./pre_tokenize.ts";
import { tokenizerError, type Vocabulary } from "./vocabulary.ts";

/** What makes one byte-level model differ from another. */
export interface ByteLevelOptions {
  readonly vocabulary: Vocabulary;
  /** Pairs of tokens, the most urgent first. */
  readonly merges: readonly (readonly [string, string])[];
  readonly preTokenizer: PreTokenizerName;
  /** Whether a word that is a token is taken whole, though merges may not lead there (Llama 3). */
  readonly ignoreMerges: boolean;
  /** Unicode normalisation of ordinary text before all else (Qwen 2: NFC). */
  readonly normalForm?: "NFC" | "NFD" | "NFKC" | "NFKD" | undefined;
}

// The words of a language repeat; 16,384 of them hold all but the rare ones and take a few megabytes.
const MAX_CACHED_WORDS = 16_384;
const MAX_CACHED_LENGTH = 64;

/** The byte-level BPE of one vocabulary. */
export class ByteLevelModel implements PieceModel {
  readonly addsSpacePrefix = false;
  readonly #options: ByteLevelOptions;
  readonly #byteIds: Int32Array;
  readonly #merges: MergeTable;
  readonly #cache = new Map<string, Int32Array>();

  /** @throws {FormatError} when a merge names a token that the vocabulary does not have. */
  constructor(options: ByteLevelOptions) {
    this.#options = options;
    this.#byteIds = Int32Array.from(CHARACTER_OF_BYTE, (character) => options.vocabulary.idOf(character) ?? -1);
    this.#merges = rankedMerges(options.vocabulary, options.merges);
  }

  encode(text: string, ids: number[]): void {
    const { normalForm, preTokenizer } = this.#options;
    const normalized = normalForm === undefined ? text : text.normalize(normalForm);
    for (const word of preTokenize(normalized, preTokenizer)) {
      for (const id of this.#encodeWord(word)) ids.push(id);
    }
  }

  bytesOf(id: number): Uint8Array {
    const token = this.#options.vocabulary.tokenOf(id);
    const bytes = new Uint8Array(token.length);
    for (let at = 0; at < token.length; at++) {
      const byte = BYTE_OF_CHARACTER.get(token[at]!);
      // A token outside the byte alphabet (a space, say, in a padding token) can only mean its own text.
      if (byte === undefined) return utf8Bytes(token);
      bytes[at] = byte;
    }
    return bytes;
  }

  #encodeWord(word: string): Int32Array {
    const cached = this.#cache.get(word);
    if (cached !== undefined) return cached;
    const ids = this.#mergeWord(utf8Bytes(word));
    if (word.length <= MAX_CACHED_LENGTH) {
      if (this.#cache.size >= MAX_CACHED_WORDS) this.#cache.clear();
      this.#cache.set(word, ids);
    }
    return ids;
  }

  #mergeWord(bytes: Uint8Array): Int32Array {
    if (this.#options.ignoreMerges) {
      const whole = this.#options.vocabulary.mergeableId(
        Array.from(bytes, (byte) => CHARACTER_OF_BYTE[byte]!).join(""),
      );
      if (whole !== undefined) return Int32Array.of(whole);
    }
    const symbols = Int32Array.from(bytes, (byte) => this.#byteIds[byte]!);
    const missing = symbols.indexOf(-1);
    if (missing >= 0) {
      const byte = bytes[missing]!.toString(16).padStart(2, "0");
      throw new FormatError(
        `Cannot encode byte 0x${byte} of the text: the vocabulary has no token for it; leave the character out`,
      );
    }
    return mergeSymbols(symbols, this.#merges);
  }
}

/** Merges as numbers: a merge is its place in the list, which is also its priority. */
function rankedMerges(vocabulary: Vocabulary, merges: readonly (readonly [string, string])[]): MergeTable {
  const ranks = new Map<number, number>();
  const results = new Int32Array(merges.length);
  const idOf = (token: string, rank: number): number => {
    const id = vocabulary.idOf(token);
    if (id === undefined) {
      throw tokenizerError(`merge ${rank} needs token ${quote(token)}, which is not in the vocabulary`);
    }
    return id;
  };
  for (const [rank, [left, right]] of merges.entries()) {
    const pair = idOf(left, rank) * vocabulary.size + idOf(right, rank);
    results[rank] = idOf(left + right, rank);
    if (!ranks.has(pair)) ranks.set(pair, rank);
  }
  return {
    find: (left, right) => ranks.get(left * vocabulary.size + right) ?? -1,
    priorityOf: (rank) => rank,
    symbolOf: (rank) => results[rank]!,
  };
}

const CHARACTER_OF_BYTE: readonly string[] = byteAlphabet();
const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = new Map(
  CHARACTER_OF_BYTE.map((character, byte) => [character, byte]),
);

function byteAlphabet(): string[] {
  let unprintable = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
    return String.fromCharCode(printable ? byte : 0x100 + unprintable++);
  });
}

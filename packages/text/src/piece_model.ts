/** What the two kinds of BPE have in common, as the tokenizer sees them. */

/** Turns ordinary text (no special tokens in it) into ids, and an id back into bytes. */
export interface PieceModel {
  /** Whether a stretch of text gets a space in front before it is encoded; decoding takes it off again. */
  readonly addsSpacePrefix: boolean;
  /** Appends the ids of non-empty text to `ids`. @throws {FormatError} when the vocabulary cannot spell it. */
  encode(text: string, ids: number[]): void;
  /** The UTF-8 bytes, possibly a part of a character, that a normal, unused or byte token stands for. */
  bytesOf(id: number): Uint8Array;
}

const utf8 = new TextEncoder();

/** The UTF-8 bytes of well-formed text. */
export function utf8Bytes(text: string): Uint8Array {
  return utf8.encode(text);
}

/**
 * What a tokenizer is: text to ids and back, and the ids that frame a text.
 * `tokenizerFromGguf` and `tokenizerFromJson` make one from a model's own files; anything else with these members will
 * do too.
 */

import type { TextStream } from "./text_stream.ts";

/** How {@linkcode Tokenizer.encode} treats markup. */
export interface EncodeOptions {
  /** Whether to add the tokens the model wants around a text, such as a beginning-of-text token. Default true. */
  readonly addSpecialTokens?: boolean;
  /**
   * Whether the text of a special token (`<|im_end|>`) becomes that token; false for text from strangers. Default true.
   * User-defined tokens, which are text and not markup, are found either way.
   */
  readonly parseSpecial?: boolean;
}

/** How {@linkcode Tokenizer.decode} and {@linkcode Tokenizer.textStream} treat markup and the start. */
export interface DecodeOptions {
  /** Whether special tokens are left out of the text. Default false. */
  readonly skipSpecial?: boolean;
  /**
   * Whether the ids go on from others, as generated ones do; then the space that SentencePiece-style models put before
   * a text is kept at the start, being a real one. Default false.
   */
  readonly continues?: boolean;
}

/** Turns text into ids and back. */
export interface Tokenizer {
  /** The number of ids; they run from 0. */
  readonly vocabSize: number;
  /** The beginning-of-text id, if the model has one. */
  readonly bosId: number | undefined;
  /** The end-of-text id, if the model has one. */
  readonly eosId: number | undefined;
  /** The padding id, if the model has one. */
  readonly padId: number | undefined;
  /** All ids that end a generation: end of text, of turn, of message. */
  readonly endIds: ReadonlySet<number>;
  /** The model's chat template, in Jinja, if it has one; see `renderChat`. */
  readonly chatTemplate: string | undefined;
  /**
   * The ids of a text.
   * @throws {FormatError} when the text holds half a surrogate pair, or a character that the vocabulary cannot spell.
   */
  encode(text: string, options?: EncodeOptions): number[];
  /**
   * The text of ids: exactly what was encoded. Bytes that are not UTF-8 become U+FFFD.
   * @throws {ShapeError} when an id is outside the vocabulary.
   */
  decode(ids: Iterable<number>, options?: DecodeOptions): string;
  /** A decoder for ids that come one at a time. */
  textStream(options?: DecodeOptions): TextStream;
  /**
   * A token as the vocabulary writes it (`Ġthe`).
   * @throws {ShapeError} when the id is outside the vocabulary.
   */
  tokenOf(id: number): string;
  /** The id of a token as the vocabulary writes it, or undefined. */
  idOf(token: string): number | undefined;
}

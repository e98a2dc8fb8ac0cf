/**
 * Ids to text, one at a time. A token may hold a part of a character's UTF-8 bytes, so those are held back until the
 * rest comes: what `push` returned is never taken back.
 */

import type { PieceModel } from "./piece_model.ts";
import { utf8Bytes } from "./piece_model.ts";
import type { DecodeOptions } from "./tokenizer.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** A decoder for ids that come one at a time. */
export interface TextStream {
  /**
   * Takes the next id.
   * @returns the characters that are complete by now and were not before; often none, in the middle of a character.
   * @throws {ShapeError} when the id is outside the vocabulary.
   */
  push(id: number): string;
  /** Ends the text. @returns U+FFFD when it ended in the middle of a character, else nothing. */
  end(): string;
}

const SPACE = 0x20;

/** The text stream of a vocabulary and its model. */
export class PieceStream implements TextStream {
  readonly #vocabulary: Vocabulary;
  readonly #model: PieceModel;
  readonly #skipSpecial: boolean;
  // Without ignoreBOM a leading U+FEFF of the text would be lost.
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #dropsSpace: boolean;

  constructor(vocabulary: Vocabulary, model: PieceModel, options: DecodeOptions) {
    this.#vocabulary = vocabulary;
    this.#model = model;
    this.#skipSpecial = options.skipSpecial ?? false;
    this.#dropsSpace = model.addsSpacePrefix && !(options.continues ?? false);
  }

  push(id: number): string {
    const token = this.#vocabulary.tokenOf(id);
    if (this.#vocabulary.isAdded(id)) {
      this.#dropsSpace = this.#model.addsSpacePrefix;
      if (this.#skipSpecial && this.#vocabulary.isSpecial(id)) return "";
      return this.#decoder.decode(utf8Bytes(token), { stream: true });
    }
    const bytes = this.#model.bytesOf(id);
    const start = this.#dropsSpace && bytes[0] === SPACE ? 1 : 0;
    this.#dropsSpace = false;
    return this.#decoder.decode(bytes.subarray(start), { stream: true });
  }

  end(): string {
    return this.#decoder.decode();
  }
}

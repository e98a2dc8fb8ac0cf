/**
 * A tokenizer out of its parts: first the tokens that stand in the text as themselves are found, then what lies between
 * goes to the model (byte-level or SentencePiece-style).
 */

import { FormatError } from "../../formats/src/format_error.ts";
import { AddedTokens } from "./added_tokens.ts";
import type { PieceModel } from "./piece_model.ts";
import { PieceStream, type TextStream } from "./text_stream.ts";
import type { DecodeOptions, EncodeOptions, Tokenizer } from "./tokenizer.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** The ids and texts around the model. */
export interface TokenizerFrame {
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly padId: number | undefined;
  readonly endIds: ReadonlySet<number>;
  /** Put before and after a text by `addSpecialTokens`. */
  readonly prefixIds: readonly number[];
  readonly suffixIds: readonly number[];
  readonly chatTemplate: string | undefined;
}

/** A byte-level or SentencePiece-style BPE tokenizer. */
export class BpeTokenizer implements Tokenizer {
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly padId: number | undefined;
  readonly endIds: ReadonlySet<number>;
  readonly chatTemplate: string | undefined;
  readonly #vocabulary: Vocabulary;
  readonly #model: PieceModel;
  readonly #frame: TokenizerFrame;
  readonly #allAdded = new AddedTokens();
  readonly #userDefined = new AddedTokens();

  constructor(vocabulary: Vocabulary, model: PieceModel, frame: TokenizerFrame) {
    this.#vocabulary = vocabulary;
    this.#model = model;
    this.#frame = frame;
    this.bosId = frame.bosId;
    this.eosId = frame.eosId;
    this.padId = frame.padId;
    this.endIds = frame.endIds;
    this.chatTemplate = frame.chatTemplate;
    for (const [id, token] of vocabulary.tokens.entries()) {
      if (!vocabulary.isAdded(id)) continue;
      this.#allAdded.add(token, id);
      if (!vocabulary.isSpecial(id)) this.#userDefined.add(token, id);
    }
  }

  get vocabSize(): number {
    return this.#vocabulary.size;
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    const { addSpecialTokens = true, parseSpecial = true } = options;
    if (!text.isWellFormed()) {
      throw new FormatError("Cannot encode the text: it holds half a surrogate pair; pass text.toWellFormed()");
    }
    const ids: number[] = addSpecialTokens ? [...this.#frame.prefixIds] : [];
    for (const part of (parseSpecial ? this.#allAdded : this.#userDefined).split(text)) {
      if (typeof part === "number") ids.push(part);
      else this.#model.encode(part, ids);
    }
    if (addSpecialTokens) ids.push(...this.#frame.suffixIds);
    return ids;
  }

  decode(ids: Iterable<number>, options: DecodeOptions = {}): string {
    const stream = this.textStream(options);
    const pieces: string[] = [];
    for (const id of ids) pieces.push(stream.push(id));
    pieces.push(stream.end());
    return pieces.join("");
  }

  textStream(options: DecodeOptions = {}): TextStream {
    return new PieceStream(this.#vocabulary, this.#model, options);
  }

  tokenOf(id: number): string {
    return this.#vocabulary.tokenOf(id);
  }

  idOf(token: string): number | undefined {
    return this.#vocabulary.idOf(token);
  }
}

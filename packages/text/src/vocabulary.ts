/**
 * The tokens of a model: text and kind by id, id by text.
 * Kinds are GGUF's `tokenizer.ggml.token_type` (llama.cpp, `llama_token_type`): only normal and unused tokens come out
 * of merging; unknown, control and user-defined ones are matched whole in the text; byte tokens (`<0x0A>`) stand for
 * one byte.
 */

import { ShapeError } from "../../core/src/errors.ts";
import { FormatError, quote } from "../../formats/src/format_error.ts";

/** The kind of a token, as GGUF numbers it. */
export const TokenKind = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

const KINDS: ReadonlySet<number> = new Set(Object.values(TokenKind));

/** The error of tokenizer data that cannot be used. */
export function tokenizerError(what: string): FormatError {
  return new FormatError(`Cannot read the tokenizer: ${what}`);
}

/** Tokens by id and ids by token. */
export class Vocabulary {
  readonly tokens: readonly string[];
  readonly #kinds: Uint8Array;
  readonly #ids = new Map<string, number>();

  /** @throws {FormatError} when two ids have the same text, or a kind is none of {@linkcode TokenKind}. */
  constructor(tokens: readonly string[], kinds: ArrayLike<number>) {
    if (tokens.length === 0) throw tokenizerError("the vocabulary is empty");
    this.tokens = tokens;
    this.#kinds = new Uint8Array(tokens.length);
    for (const [id, token] of tokens.entries()) {
      const kind = kinds[id]!;
      if (!KINDS.has(kind)) throw tokenizerError(`token ${id} has unknown kind ${kind}`);
      this.#kinds[id] = kind;
      // Some files pad the vocabulary with empty tokens; they have ids but cannot be looked up.
      if (token === "") continue;
      const first = this.#ids.get(token);
      if (first !== undefined) throw tokenizerError(`tokens ${first} and ${id} are both ${quote(token)}`);
      this.#ids.set(token, id);
    }
  }

  get size(): number {
    return this.tokens.length;
  }

  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  /** @throws {ShapeError} when `id` is outside the vocabulary. */
  tokenOf(id: number): string {
    const token = this.tokens[id];
    if (token === undefined) {
      throw new ShapeError(`Cannot decode id ${id}: the vocabulary has ids 0 to ${this.size - 1}`);
    }
    return token;
  }

  kindOf(id: number): number {
    return this.#kinds[id]!;
  }

  /** Whether the token is markup, not text: what `skipSpecial` leaves out. */
  isSpecial(id: number): boolean {
    const kind = this.kindOf(id);
    return kind === TokenKind.control || kind === TokenKind.unknown;
  }

  /** Whether the token is matched whole in the text and never comes out of merging. */
  isAdded(id: number): boolean {
    return this.isSpecial(id) || this.kindOf(id) === TokenKind.userDefined;
  }

  /** The id of a token that merging may produce. */
  mergeableId(token: string): number | undefined {
    const id = this.#ids.get(token);
    if (id === undefined) return undefined;
    const kind = this.kindOf(id);
    return kind === TokenKind.normal || kind === TokenKind.unused ? id : undefined;
  }
}

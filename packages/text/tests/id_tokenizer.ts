/** A tokenizer without text, for models that are ids only. */
import type { Tokenizer } from "../mod.ts";

/**
 * Ids from 0, written `<7>`.
 *
 * @param endIds those that end a text
 */
export function idTokenizer(vocabSize: number, endIds: readonly number[] = []): Tokenizer {
  const tokenOf = (id: number): string => `<${id}>`;
  return {
    vocabSize,
    bosId: undefined,
    eosId: endIds[0],
    padId: undefined,
    endIds: new Set(endIds),
    chatTemplate: undefined,
    encode: (text) => Array.from(text.matchAll(/<(\d+)>/g), (match) => Number(match[1])),
    decode: (ids) => Array.from(ids, tokenOf).join(""),
    textStream: () => ({ push: tokenOf, end: () => "" }),
    tokenOf,
    idOf: (token) => Number(token.slice(1, -1)),
  };
}

/**
 * Finds tokens that stand in the text as themselves (`<|im_end|>`): at each place the longest that fits, from left to
 * right, as Hugging Face's added vocabulary does. A trie, so that the cost does not grow with their number.
 */

import { tokenizerError } from "./vocabulary.ts";

// Keeps a hostile vocabulary from making matching quadratic; real tokens of this kind have fewer than 100 characters.
const MAX_LENGTH = 1024;

interface TrieNode {
  id: number | undefined;
  readonly next: Map<number, TrieNode>;
}

/** A set of tokens to be matched whole. */
export class AddedTokens {
  readonly #root: TrieNode = { id: undefined, next: new Map() };

  /** @throws {FormatError} when the token is longer than any real one. */
  add(token: string, id: number): void {
    if (token === "") return;
    if (token.length > MAX_LENGTH) {
      throw tokenizerError(`special token ${id} has ${token.length} characters, more than ${MAX_LENGTH}`);
    }
    let node = this.#root;
    for (let at = 0; at < token.length; at++) {
      const unit = token.charCodeAt(at);
      let child = node.next.get(unit);
      if (child === undefined) node.next.set(unit, child = { id: undefined, next: new Map() });
      node = child;
    }
    node.id = id;
  }

  /** Cuts `text` into ids of tokens found and, between them, non-empty stretches of ordinary text. */
  split(text: string): (string | number)[] {
    const parts: (string | number)[] = [];
    let textStart = 0;
    for (let at = 0; at < text.length;) {
      const match = this.#longestAt(text, at);
      if (match === undefined) {
        at++;
        continue;
      }
      if (at > textStart) parts.push(text.slice(textStart, at));
      parts.push(match.id);
      at = textStart = match.end;
    }
    if (textStart < text.length) parts.push(text.slice(textStart));
    return parts;
  }

  #longestAt(text: string, start: number): { id: number; end: number } | undefined {
    let match: { id: number; end: number } | undefined;
    let node = this.#root.next.get(text.charCodeAt(start));
    for (let end = start + 1; node !== undefined; end++) {
      if (node.id !== undefined) match = { id: node.id, end };
      node = node.next.get(text.charCodeAt(end));
    }
    return match;
  }
}

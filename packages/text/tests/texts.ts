/** Texts for tests: a seeded generator, and characters that trip tokenizers up. */

import { threefry2x32 } from "../../core/src/random.ts";

/** A generator of integers below a bound, the same for the same seed. */
export function integers(seed: number): (below: number) => number {
  let count = 0;
  return (below) => threefry2x32(seed, 0, count++, 0)[0] % below;
}

/** Letters of many scripts, digits of many kinds, whitespace of all kinds, marks, emoji, apostrophes. */
export const TRICKY = [
  ..."abcXYZsStTrReEvVmMlLdDſKß0123456789½²①Ⅷ٣𝟙",
  ..."   \t\n\r\v\f\u00a0\u0085\u1680\u2028\u3000\ufeff\u200b",
  ..."''.,!?-_()’—日本語한ーनमस्तेمرحبا𝒜𐍈😀👩\u200d🏽\u0301\u0000\u0007",
];

/** A text of up to `maxLength` characters out of `characters`. */
export function randomText(next: (below: number) => number, characters: readonly string[], maxLength: number): string {
  return Array.from({ length: next(maxLength + 1) }, () => characters[next(characters.length)]!).join("");
}

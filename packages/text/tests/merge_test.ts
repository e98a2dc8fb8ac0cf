/** Merging against the plain algorithm: look for the best pair, merge it, look again. */

import { assertEquals } from "@std/assert";
import { mergeSymbols, type MergeTable } from "../src/merge.ts";
import { integers } from "./texts.ts";

function mergePlainly(symbols: readonly number[], table: MergeTable): number[] {
  const left = [...symbols];
  for (;;) {
    let best = -1;
    let bestPriority = Infinity;
    for (let at = 0; at + 1 < left.length; at++) {
      const merge = table.find(left[at]!, left[at + 1]!);
      if (merge < 0 || table.priorityOf(merge) >= bestPriority) continue;
      best = at;
      bestPriority = table.priorityOf(merge);
    }
    if (best < 0) return left;
    left.splice(best, 2, table.symbolOf(table.find(left[best]!, left[best + 1]!)));
  }
}

/** Merges over `count` symbols; several may have the same priority, as in SentencePiece. */
function randomTable(next: (below: number) => number, count: number): MergeTable {
  const pairs = new Map<number, number>();
  const priorities: number[] = [];
  for (let merge = 0; merge < 2 * count; merge++) {
    pairs.set(next(count) * count + next(count), merge);
    priorities.push(next(count));
  }
  return {
    find: (left, right) => pairs.get(left * count + right) ?? -1,
    priorityOf: (merge) => priorities[merge]!,
    symbolOf: (merge) => (merge * 7) % count,
  };
}

Deno.test("mergeSymbols takes the most urgent pair, the leftmost of equals (seed 2)", () => {
  const next = integers(2);
  for (let round = 0; round < 2000; round++) {
    const count = 2 + next(8);
    const table = randomTable(next, count);
    const symbols = Array.from({ length: next(25) }, () => next(count));
    assertEquals([...mergeSymbols(Int32Array.from(symbols), table)], mergePlainly(symbols, table));
  }
});

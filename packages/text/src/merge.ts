/**
 * Byte-pair merging: of all neighbouring symbols that may merge, the pair of lowest priority number merges first, the
 * leftmost of equals; until no pair is left.
 *
 * A doubly linked list of symbols and a heap of candidate pairs make it O(n log n), so a megabyte without a space is no
 * trap. A heap entry is one number, `priority * n + position`; entries whose pair has changed since are recognised when
 * they come up, because the pair at that position no longer has that priority.
 */

/** Which neighbours merge, how urgently, and into what. Symbols are non-negative integers. */
export interface MergeTable {
  /** The merge of two neighbours, or -1 where they do not merge. */
  find(left: number, right: number): number;
  /** Lower merges first. */
  priorityOf(merge: number): number;
  /** The symbol that a merge makes. */
  symbolOf(merge: number): number;
}

const GONE = -1;

/** Merges `symbols` (which it overwrites) as far as `table` goes; returns what is left, in order. */
export function mergeSymbols(symbols: Int32Array, table: MergeTable): Int32Array {
  const count = symbols.length;
  const next = Int32Array.from(symbols, (_, at) => at + 1);
  const previous = Int32Array.from(symbols, (_, at) => at - 1);
  const queue = new NumberHeap();
  const mergeAt = (left: number): number => {
    const right = next[left]!;
    return right === count ? -1 : table.find(symbols[left]!, symbols[right]!);
  };
  const offer = (left: number): void => {
    const merge = mergeAt(left);
    if (merge >= 0) queue.push(table.priorityOf(merge) * count + left);
  };
  for (let at = 0; at < count; at++) offer(at);
  while (queue.size > 0) {
    const entry = queue.pop();
    const left = entry % count;
    if (symbols[left] === GONE) continue;
    const merge = mergeAt(left);
    if (merge < 0 || table.priorityOf(merge) * count + left !== entry) continue;
    const right = next[left]!;
    const after = next[right]!;
    symbols[left] = table.symbolOf(merge);
    symbols[right] = GONE;
    next[left] = after;
    if (after < count) previous[after] = left;
    if (previous[left]! >= 0) offer(previous[left]!);
    offer(left);
  }
  return symbols.filter((symbol) => symbol !== GONE);
}

/** A binary min-heap of numbers. */
class NumberHeap {
  readonly #items: number[] = [];

  get size(): number {
    return this.#items.length;
  }

  push(item: number): void {
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (items[parent]! <= item) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = item;
  }

  /** Removes and returns the smallest item; the heap must not be empty. */
  pop(): number {
    const items = this.#items;
    const smallest = items[0]!;
    const item = items.pop()!;
    const count = items.length;
    if (count === 0) return smallest;
    let at = 0;
    for (let child = 1; child < count; child = 2 * at + 1) {
      if (child + 1 < count && items[child + 1]! < items[child]!) child++;
      if (items[child]! >= item) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = item;
    return smallest;
  }
}

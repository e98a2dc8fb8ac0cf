/**
 * Room in linear memory: the one allocator, for tensors, packed weights and the records of calls.
 *
 * Sizes are rounded up to a class (eight to each doubling, at most 64 KiB apart), addresses are multiples of 64. What is
 * given back waits in a list of its class and is taken from there by the next of its size: a step of a decoding loop
 * asks for what the step before returned. When a list is empty, free ranges are searched: those are merged with their
 * neighbours, and hold the lists' contents too once nothing else fits. At last the memory grows, by an eighth at least.
 */
import { type LinearMemory, PAGE_BYTES } from "./linear_memory.ts";

/** Addresses and sizes are multiples of this: a cache line. */
const ALIGNMENT = 64;
/** Sizes from here on are not listed by class but merged at once: few, and worth having in one piece. */
const LARGE_BYTES = 2 ** 22;
/** Classes are never further apart than this. */
const LARGEST_STEP = 2 ** 16;
/** The least that memory grows by. */
const GROWTH_BYTES = 2 ** 20;
/** The most it grows by ahead of need. */
const AHEAD_BYTES = 2 ** 26;

/** The bytes that a buffer of so many really takes. */
export function sizeClass(byteLength: number): number {
  let step = LARGEST_STEP;
  if (byteLength < 8 * LARGEST_STEP) {
    const doubling = 1 << 31 - Math.clz32(byteLength | ALIGNMENT); // the power of two below it
    step = Math.max(doubling / 8, ALIGNMENT);
  }
  return Math.max(Math.ceil(byteLength / step), 1) * step;
}

/** The allocator of one linear memory. */
export class Heap {
  readonly #memory: LinearMemory;
  /** Addresses given back, by size class. */
  readonly #lists = new Map<number, number[]>();
  /** Free ranges: size by start, start by end, and starts by the floor of the size's logarithm. */
  readonly #sizes = new Map<number, number>();
  readonly #starts = new Map<number, number>();
  readonly #bins: Set<number>[] = Array.from({ length: 33 }, () => new Set<number>());
  #inUse = 0;

  /** An allocator that takes all its room by growing the memory: what is there already belongs to the kernels. */
  constructor(memory: LinearMemory) {
    this.#memory = memory;
  }

  /** Bytes handed out, rounded to their classes. */
  get bytesInUse(): number {
    return this.#inUse;
  }

  /** Room for some bytes, contents undefined. @returns its address, or undefined where there is none */
  allocate(byteLength: number): number | undefined {
    const size = sizeClass(byteLength);
    const at = this.#lists.get(size)?.pop() ?? this.#takeRange(size) ?? this.#takeMerged(size) ?? this.#grow(size);
    if (at !== undefined) this.#inUse += size;
    return at;
  }

  /** Takes back what `allocate` gave for as many bytes. */
  free(address: number, byteLength: number): void {
    const size = sizeClass(byteLength);
    this.#inUse -= size;
    if (size >= LARGE_BYTES) return this.#addRange(address, size);
    const list = this.#lists.get(size);
    if (list === undefined) this.#lists.set(size, [address]);
    else list.push(address);
  }

  /** From the smallest bin that has a range large enough. */
  #takeRange(size: number): number | undefined {
    for (let bin = Math.floor(Math.log2(size)); bin < this.#bins.length; bin++) {
      let best: number | undefined;
      for (const start of this.#bins[bin]!) {
        const length = this.#sizes.get(start)!;
        if (length >= size && (best === undefined || length < this.#sizes.get(best)!)) best = start;
      }
      if (best === undefined) continue;
      const length = this.#removeRange(best);
      if (length > size) this.#addRange(best + size, length - size);
      return best;
    }
    return undefined;
  }

  /** Merges what waits in lists, and looks again. */
  #takeMerged(size: number): number | undefined {
    if (this.#lists.size === 0) return undefined;
    for (const [length, addresses] of this.#lists) {
      for (const address of addresses) this.#addRange(address, length);
    }
    this.#lists.clear();
    return this.#takeRange(size);
  }

  #grow(size: number): number | undefined {
    const end = this.#memory.byteLength;
    const before = this.#starts.get(end); // a free range at the end need only be made longer
    const missing = size - (before === undefined ? 0 : end - before);
    const ahead = Math.max(missing, GROWTH_BYTES, Math.min(end / 8, AHEAD_BYTES));
    for (const bytes of [ahead, missing]) {
      const pages = Math.ceil(bytes / PAGE_BYTES);
      const start = this.#memory.grow(pages);
      if (start === undefined) continue;
      this.#addRange(start, pages * PAGE_BYTES);
      return this.#takeRange(size);
    }
    return undefined;
  }

  #addRange(start: number, length: number): void {
    const before = this.#starts.get(start);
    if (before !== undefined) [start, length] = [before, length + this.#removeRange(before)];
    const after = this.#sizes.has(start + length) ? this.#removeRange(start + length) : 0;
    length += after;
    this.#sizes.set(start, length);
    this.#starts.set(start + length, start);
    this.#bins[Math.floor(Math.log2(length))]!.add(start);
  }

  #removeRange(start: number): number {
    const length = this.#sizes.get(start)!;
    this.#sizes.delete(start);
    this.#starts.delete(start + length);
    this.#bins[Math.floor(Math.log2(length))]!.delete(start);
    return length;
  }
}

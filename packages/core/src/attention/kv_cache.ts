/**
 * The keys and values of tokens already seen, so that each new token costs one step: what every form of cache offers, and
 * what attention reads from it. Nothing of the past is copied, repeated or dequantised to be read.
 *
 * Forms: `GrowableKvCache` doubles when full, `StaticKvCache` has its memory from the start, `SlidingWindowKvCache` forgets
 * all but the first and the latest tokens, `PagedKvCache` shares the pages of a common beginning among forks. Each holds
 * floats or q8_0, and gives the same numbers for the same tokens however they were cut into chunks.
 */
import type { Backend } from "../backend.ts";
import type { Tensor } from "../tensor.ts";
import type { SavedKvCache } from "./kv_cache_saved.ts";

/**
 * What attention reads after an append: all keys and values of the layer that are still there, where they lie. Tensors in
 * it are views of the cache, not copies, and good until the next change to it: after a `truncate` and another `append` an
 * old view shows the new tokens. Whoever asked for them disposes of them.
 */
export interface KeyValueView {
  /** `[B, Hkv, S, D]`; with a page table the pool, `[P, Hkv, pageTokens, D]`. */
  readonly keys: Tensor;
  /** `[B, Hkv, S, Dv]`; with a page table the pool, `[P, Hkv, pageTokens, Dv]`. */
  readonly values: Tensor;
  /** S: keys that are there. */
  readonly keyCount: number;
  /** Tokens seen so far, gone or not: the last query's position is one less. */
  readonly tokens: number;
  /** i32 `[B, N]`: key s of row b lies in slot `s % pageTokens` of page `pageTable[b, s / pageTokens]`. */
  readonly pageTable?: Tensor | undefined;
  /** i32 `[S]`, ascending: the keys' positions, where tokens are gone. */
  readonly keyPositions?: Tensor | undefined;
  /**
   * How far back the cache promises to see, as attention counts: `left` positions before the query's own, one less than
   * the `window` of a `SlidingWindowKvCache`, which counts the query's own too. Attention hides what is older but still
   * there.
   */
  readonly window?: { readonly left: number; readonly sinkTokens: number } | undefined;
}

/**
 * Plain keys and values, as attention reads them.
 *
 * @param keys `[B, Hkv, S, D]`
 * @param values `[B, Hkv, S, Dv]`
 * @returns a view of the same tensors, in which nothing is gone
 */
export function viewOf(keys: Tensor, values: Tensor): KeyValueView {
  const tokens = keys.shape[2] ?? 0; // attention refuses other ranks, with all shapes
  return { keys, values, keyCount: tokens, tokens };
}

/** What a cache holds: any float dtype, or q8_0, which takes about a quarter of f32's memory. */
export type KvCacheDType = "f32" | "f16" | "bf16" | "f64" | "q8_0";

/** A setting of every form of cache. */
export interface KvCacheOptions {
  /** What it holds, keys and values alike; the dtype of the first keys when left out. Appending converts. */
  readonly dtype?: KvCacheDType | undefined;
}

/** Keys and values of a sequence, by layer. */
export interface KvCache extends Disposable {
  /** How many layers it has. */
  readonly layers: number;
  /** What it holds; undefined until the first append decides. */
  readonly dtype: KvCacheDType | undefined;
  /** Tokens that every layer has seen. */
  readonly length: number;
  /**
   * Tokens that one layer has seen; between layers of a step the first ones are ahead of `length`.
   *
   * @param layer from 0
   * @throws {ShapeError} when there is no such layer
   */
  lengthOf(layer: number): number;
  /** Tokens there is room for before it must grow or refuse; Infinity where it forgets instead. */
  readonly capacity: number;
  /** Bytes taken now. */
  readonly byteLength: number;
  /**
   * Adds the keys and values of new tokens to a layer, and gives what attention then reads. Gradients end here.
   *
   * A step goes through the layers once, in any order, and brings all of them the same number of tokens: a layer that has
   * its tokens waits for the others. Layers without any tokens are not waited for, so that one layer of a cache can be
   * used alone; when they do join in, it is with as many tokens as the others have. When a step fails between layers,
   * `truncate(length)` makes them even again.
   *
   * @param layer from 0
   * @param keys `[B, Hkv, T, D]`
   * @param values `[B, Hkv, T, Dv]`
   * @throws {ShapeError} when there is no such layer, shapes differ from what is cached, layers would come apart, or there
   * is no room
   * @throws {DTypeError} when keys or values are no tensors of floats or q8_0, or heads are no whole q8_0 blocks
   * @throws {BackendError} when keys, values and cache do not share a backend
   */
  append(layer: number, keys: Tensor, values: Tensor): KeyValueView;
  /** Forgets all tokens but the first `length`. @throws {ShapeError} when it has fewer, or cannot go back so far */
  truncate(length: number): void;
  /** Forgets all tokens, and keeps the memory. */
  clear(): void;
  /** A cache of its own with the same tokens; the two go on independently. */
  fork(): KvCache;
  /** Its tokens as plain data for `structuredClone`, a worker or a file; the cache may go on at once. */
  save(): Promise<SavedKvCache>;
  /**
   * Puts saved tokens into this cache, which must be of the same form and empty; all of them or, on an error, none.
   *
   * @param options where a cache without memory puts them; the default backend when left out
   * @throws {ShapeError} when it is not what `save` gives, form, layers, window, shapes or byte lengths do not fit, or there
   * is no room
   * @throws {DTypeError} when the dtype is another one than this cache holds
   */
  restore(saved: SavedKvCache, options?: { readonly backend?: Backend | undefined }): void;
  /** Frees everything; the cache is empty then. */
  dispose(): void;
}

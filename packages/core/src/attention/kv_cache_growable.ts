/**
 * A cache that doubles when it is full: appending copies only what is new, and over n tokens growing copies less than n
 * more, so that a token costs the same however many there are.
 */
import type { KvCacheOptions } from "./kv_cache.ts";
import type { KvLayerKind } from "./kv_cache_layer.ts";
import { KvRows, RowsKvCache } from "./kv_cache_rows.ts";
import { settingsOf } from "./kv_cache_settings.ts";

const FIRST_CAPACITY = 64; // tokens; doubling from here reaches 8,192 in seven steps

const NAMES: Readonly<Record<keyof KvCacheOptions, true>> = { dtype: true };

const FOREIGN: Readonly<Record<string, string>> = {
  capacity: "a StaticKvCache",
  maxLength: "a StaticKvCache",
  pageTokens: "a PagedKvCache",
  window: "a SlidingWindowKvCache",
};

/**
 * A cache that doubles when it is full.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { GrowableKvCache, randn, scaledDotProductAttention } from "@heed/heed/core";
 *
 * const backend = createScalarBackend();
 * using cache = new GrowableKvCache(1);
 * const token = (seed: number) => randn([1, 2, 1, 8], { seed, backend });
 * cache.append(0, token(0), token(1));
 * const view = cache.append(0, token(2), token(3));
 * const output = scaledDotProductAttention(token(4), view, { causal: "lower-right" });
 * assertEquals([view.keyCount, cache.length, output.shape], [2, 2, [1, 2, 1, 8]]);
 * ```
 */
export class GrowableKvCache extends RowsKvCache {
  /** Which form it is. */
  readonly form = "growable";

  /**
   * An empty cache.
   *
   * @param layers the number of layers
   * @param options what it holds
   * @throws {ShapeError} unless there is at least one layer, and for a setting it does not have
   * @throws {DTypeError} when a cache cannot hold the dtype
   */
  constructor(layers: number, options: KvCacheOptions = {}) {
    super(layers, settingsOf("GrowableKvCache", options, NAMES, FOREIGN));
  }

  /** Tokens there is room for before it grows. */
  get capacity(): number {
    return Math.min(...Array.from({ length: this.layers }, (_, layer) => this.rowsOf(layer)?.count ?? 0));
  }

  /** @ignore An empty one with the same settings. */
  protected another(): GrowableKvCache {
    return new GrowableKvCache(this.layers, { dtype: this.wanted });
  }

  /** @ignore Buffers twice as long, into which the old ones are copied. */
  protected reserve(layer: number, count: number, kind: KvLayerKind): void {
    const [old, length] = [this.rowsOf(layer), this.lengthOf(layer)];
    if (old !== undefined && old.count >= length + count) return;
    let capacity = old?.count ?? FIRST_CAPACITY;
    while (capacity < length + count) capacity *= 2;
    const larger = KvRows.filled(kind, capacity, (into) => {
      if (old !== undefined) into.copyFrom(old, 0, 0, length);
    });
    this.setRows(layer, larger);
    old?.dispose();
  }
}

/**
 * A cache that doubles when it is full: appending copies only what is new, and over n tokens growing copies less than n
 * more, so that a token costs the same however many there are.
 */
import type { KvCacheOptions } from "./kv_cache.ts";
import type { KvLayerKind } from "./kv_cache_layer.ts";
import { KvRows, RowsKvCache } from "./kv_cache_rows.ts";

const FIRST_CAPACITY = 64; // tokens; doubling from here reaches 8,192 in seven steps

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
   * @throws {ShapeError} unless there is at least one layer
   * @throws {DTypeError} when a cache cannot hold the dtype
   */
  constructor(layers: number, options: KvCacheOptions = {}) {
    super(layers, options);
  }

  /** Tokens there is room for before it grows. */
  get capacity(): number {
    return Math.min(...this.rows.map((rows) => rows?.count ?? 0));
  }

  /** @ignore An empty one with the same settings. */
  protected another(): GrowableKvCache {
    return new GrowableKvCache(this.layers, { dtype: this.wanted });
  }

  /** @ignore Buffers twice as long, into which the old ones are copied. */
  protected reserve(layer: number, count: number, kind: KvLayerKind): void {
    const [old, length] = [this.rows[layer], this.lengths[layer]!];
    if (old !== undefined && old.count >= length + count) return;
    let capacity = old?.count ?? FIRST_CAPACITY;
    while (capacity < length + count) capacity *= 2;
    this.rows[layer] = KvRows.filled(kind, capacity, (larger) => {
      if (old !== undefined) larger.copyFrom(old, 0, 0, length);
    });
    old?.dispose();
  }
}

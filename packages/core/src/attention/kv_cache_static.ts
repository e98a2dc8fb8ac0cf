/**
 * A cache that has all its memory from the first append on: a decode step allocates nothing that the step before did not
 * give back, and addresses never change, which a recorded graph of commands needs.
 */
import { ShapeError, showShape } from "../errors.ts";
import type { KvCacheOptions } from "./kv_cache.ts";
import type { KvLayerKind } from "./kv_cache_layer.ts";
import { KvRows, RowsKvCache } from "./kv_cache_rows.ts";
import { countSetting, settingsOf } from "./kv_cache_settings.ts";

/** Settings of {@linkcode StaticKvCache}. */
export interface StaticKvCacheOptions extends KvCacheOptions {
  /** Tokens there is room for. */
  readonly capacity: number;
}

const NAMES: Readonly<Record<keyof StaticKvCacheOptions, true>> = { dtype: true, capacity: true };

const FOREIGN: Readonly<Record<string, string>> = {
  maxLength: "capacity",
  max_length: "capacity",
  maxTokens: "capacity",
  maxCacheLen: "capacity",
  max_cache_len: "capacity", // transformers
  pageTokens: "a PagedKvCache",
  window: "a SlidingWindowKvCache",
};

/**
 * A cache that has all its memory from the first append on.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { randn, ShapeError, StaticKvCache } from "@heed/heed/core";
 *
 * const backend = createScalarBackend();
 * using cache = new StaticKvCache(1, { capacity: 4, dtype: "f16" });
 * const tokens = randn([1, 2, 3, 8], { seed: 0, backend });
 * cache.append(0, tokens, tokens);
 * assertEquals([cache.length, cache.byteLength], [3, 2 * 4 * 8 * 2 * 2]);
 * assertThrows(() => cache.append(0, tokens, tokens), ShapeError, "capacity of 4");
 * ```
 */
export class StaticKvCache extends RowsKvCache {
  /** Which form it is. */
  readonly form = "static";
  /** Tokens there is room for. */
  readonly capacity: number;

  /**
   * An empty cache; a layer takes its memory when its first keys come.
   *
   * @param layers the number of layers
   * @param options how many tokens, and what it holds
   * @throws {ShapeError} unless layers and capacity are at least 1, and for a setting it does not have
   * @throws {DTypeError} when a cache cannot hold the dtype
   */
  constructor(layers: number, options: StaticKvCacheOptions) {
    const settings = settingsOf("StaticKvCache", options, NAMES, FOREIGN);
    super(layers, settings);
    this.capacity = countSetting("capacity", settings.capacity, 1);
  }

  /** @ignore An empty one with the same settings. */
  protected another(): StaticKvCache {
    return new StaticKvCache(this.layers, { capacity: this.capacity, dtype: this.wanted });
  }

  /** @ignore All the memory at once, or an error. */
  protected reserve(layer: number, count: number, kind: KvLayerKind): void {
    const length = this.lengthOf(layer);
    if (length + count > this.capacity) {
      const { batch, heads, keySize } = kind;
      throw new ShapeError(
        `Cannot append keys ${
          showShape([batch, heads, count, keySize])
        } to layer ${layer}: with the ${length} tokens ` +
          `it has they pass the capacity of ${this.capacity}; truncate or clear it, make one with a larger capacity, ` +
          `or use a GrowableKvCache`,
      );
    }
    if (this.rowsOf(layer) === undefined) this.setRows(layer, new KvRows(kind, this.capacity));
  }
}

/**
 * A cache of pages, so that sequences with a common beginning hold it once: a fork shares all pages and copies no keys, and
 * the last, partly filled page is copied when one side goes on in it (copy on write). Attention reads pages through a table
 * `[B, N]` of page ids.
 */
import { tensor } from "../create.ts";
import { allocate } from "../dispatch.ts";
import { ShapeError, showShape } from "../errors.ts";
import { tidy } from "../memory.ts";
import type { Tensor } from "../tensor.ts";
import type { KeyValueView, KvCacheOptions } from "./kv_cache.ts";
import type { KvLayerKind } from "./kv_cache_layer.ts";
import { type KvPair, LayeredKvCache } from "./kv_cache_layered.ts";
import { KvPagePool } from "./kv_cache_pool.ts";
import { countSetting, settingsOf } from "./kv_cache_settings.ts";

/** Settings of {@linkcode PagedKvCache}. */
export interface PagedKvCacheOptions extends KvCacheOptions {
  /** Tokens a sequence there is room for, in the cache and all its forks together; whole pages of them. */
  readonly capacity: number;
  /** Tokens a page; 64 when left out. */
  readonly pageTokens?: number | undefined;
}

const PAGE_TOKENS = 64; // long enough for a tile of attention, short enough to copy on write within a step

const NAMES: Readonly<Record<keyof PagedKvCacheOptions, true>> = { dtype: true, capacity: true, pageTokens: true };

const FOREIGN: Readonly<Record<string, string>> = {
  pageSize: "pageTokens",
  page_size: "pageTokens",
  blockSize: "pageTokens",
  block_size: "pageTokens", // vLLM
  blockTokens: "pageTokens",
  maxLength: "capacity",
  max_length: "capacity",
  maxTokens: "capacity",
  pages: "capacity, in tokens",
  window: "a SlidingWindowKvCache",
};

/**
 * A cache of pages that forks share.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { PagedKvCache, randn } from "@heed/heed/core";
 *
 * const backend = createScalarBackend();
 * using cache = new PagedKvCache(1, { capacity: 64, pageTokens: 4 });
 * const prompt = randn([1, 2, 10, 8], { seed: 0, backend });
 * cache.append(0, prompt, prompt);
 * using other = cache.fork();
 * assertEquals(cache.freePages, 13); // 3 of 16 are taken, once
 * const token = randn([1, 2, 1, 8], { seed: 1, backend });
 * other.append(0, token, token);
 * assertEquals([cache.length, other.length, cache.freePages], [10, 11, 12]); // the third page is copied
 * ```
 */
export class PagedKvCache extends LayeredKvCache {
  /** Which form it is. */
  readonly form = "paged";
  #pool: KvPagePool;
  /** Page ids by row of the batch; all rows have as many. */
  #table: number[][] = [];
  #tableTensor: Tensor | undefined;

  /**
   * An empty cache; a layer takes its memory, for all forks, when its first keys come.
   *
   * @param layers the number of layers
   * @param options how many tokens, in which pages, and as what
   * @throws {ShapeError} unless layers, capacity and pageTokens are at least 1, and for a setting it does not have
   * @throws {DTypeError} when a cache cannot hold the dtype
   */
  constructor(layers: number, options: PagedKvCacheOptions) {
    const settings = settingsOf("PagedKvCache", options, NAMES, FOREIGN);
    super(layers, settings);
    const capacity = countSetting("capacity", settings.capacity, 1);
    this.#pool = new KvPagePool(layers, capacity, countSetting("pageTokens", settings.pageTokens ?? PAGE_TOKENS, 1));
  }

  /** Tokens a sequence there is room for, in all forks together. */
  get capacity(): number {
    return this.#pool.capacity;
  }

  /** Tokens a page. */
  get pageTokens(): number {
    return this.#pool.pageTokens;
  }

  /** Pages that neither this cache nor a fork holds; none before the first append settles how many there are. */
  get freePages(): number {
    return this.#pool.freePages;
  }

  /** Bytes taken now by the pool, which forks share, and this cache's table. */
  get byteLength(): number {
    return this.#pool.byteLength + (this.#tableTensor?.storage.byteLength ?? 0);
  }

  /** A cache that shares this one's pages and pool; no keys are copied. */
  fork(): PagedKvCache {
    const pool = this.#pool;
    const { capacity, pageTokens } = pool;
    const copy = new PagedKvCache(this.layers, { capacity, pageTokens, dtype: this.wanted });
    copy.#pool = pool;
    pool.users++;
    copy.#table = this.#table.map((row) => [...row]);
    for (const page of this.#table.flat()) pool.hold(page);
    for (let layer = 0; layer < this.layers; layer++) copy.setLength(layer, this.lengthOf(layer));
    return copy;
  }

  /** @ignore What a layer's first append settled, for all forks. */
  protected kind(layer: number): KvLayerKind | undefined {
    return this.#pool.layer(layer)?.kind;
  }

  /** @ignore Pages for `count` more tokens, its own where they will be written. */
  protected reserve(layer: number, count: number, kind: KvLayerKind): void {
    const [pool, start] = [this.#pool, this.lengthOf(layer)];
    pool.open(kind.batch);
    const shared = this.#sharedPages(start, count);
    const missing = Math.max(0, pagesFor(start + count, pool.pageTokens) - (this.#table[0]?.length ?? 0));
    this.#checkRoom(layer, count, kind, shared.length + missing * kind.batch);
    pool.makeLayer(layer, kind);
    for (const [row, i] of shared) {
      row[i] = pool.takeCopy(row[i]!);
      this.#forgetTable();
    }
    if (missing === 0) return;
    if (this.#table.length === 0) this.#table = Array.from({ length: kind.batch }, () => []);
    for (const row of this.#table) for (let i = 0; i < missing; i++) row.push(pool.take());
    this.#forgetTable();
  }

  /** Where the tokens to come fall on pages that others hold too. */
  #sharedPages(start: number, count: number): [row: number[], index: number][] {
    const { pageTokens } = this.#pool;
    const first = Math.floor(start / pageTokens);
    const end = count === 0 ? first : pagesFor(start + count, pageTokens);
    const found: [number[], number][] = [];
    for (const row of this.#table) {
      for (let i = first; i < Math.min(end, row.length); i++) if (this.#pool.isShared(row[i]!)) found.push([row, i]);
    }
    return found;
  }

  #checkRoom(layer: number, count: number, { batch, heads, keySize }: KvLayerKind, needed: number): void {
    const { capacity, freePages, pages, pageTokens, users } = this.#pool;
    if (needed <= freePages) return;
    throw new ShapeError(
      `Cannot append keys ${showShape([batch, heads, count, keySize])} to layer ${layer}: that takes ${needed} more ` +
        `pages of ${pageTokens} tokens, and ${freePages} of ${pages} are free (capacity ${capacity} tokens for ` +
        `${batch} sequences, used by ${users} caches); truncate or dispose of a fork, or make it with a larger capacity`,
    );
  }

  #forgetTable(): void {
    this.#tableTensor?.dispose();
    this.#tableTensor = undefined;
  }

  /** @ignore Writes tokens a page at a time. */
  protected write(layer: number, keys: Tensor, values: Tensor): void {
    const pool = this.#pool.layer(layer)!; // made when room was
    this.#eachPiece(this.lengthOf(layer), keys.shape[2]!, ({ row, page, slot, token, count }) => {
      const put = (into: Tensor, x: Tensor) =>
        into.select(0, page).narrow(1, slot, count).copy_(x.select(0, row).narrow(1, token, count));
      put(pool.keys, keys);
      put(pool.values, values);
    });
  }

  /** @ignore Copies of the first tokens, in order. */
  protected gather(layer: number, length: number): KvPair {
    const pool = this.#pool.layer(layer)!; // it has tokens
    const { backend, dtype, batch, heads, keySize, valueSize } = pool.kind;
    const keys = allocate(backend, [batch, heads, length, keySize], dtype);
    const values = allocate(backend, [batch, heads, length, valueSize], dtype);
    this.#eachPiece(0, length, ({ row, page, slot, token, count }) => {
      const take = (into: Tensor, x: Tensor) =>
        into.select(0, row).narrow(1, token, count).copy_(x.select(0, page).narrow(1, slot, count));
      take(keys, pool.keys);
      take(values, pool.values);
    });
    return { keys, values };
  }

  /** Runs through tokens from `start` on, in pieces that lie on one page each. */
  #eachPiece(start: number, tokens: number, visit: (piece: PagePiece) => void): void {
    const { pageTokens } = this.#pool;
    this.#table.forEach((pages, row) => {
      for (let token = 0, count; token < tokens; token += count) {
        const slot = (start + token) % pageTokens;
        count = Math.min(pageTokens - slot, tokens - token);
        const piece = { row, page: pages[Math.floor((start + token) / pageTokens)]!, slot, token, count };
        tidy(() => visit(piece));
      }
    });
  }

  /** @ignore What attention reads: the pool, and this cache's table. */
  protected view(layer: number): KeyValueView {
    const { keys, values, kind } = this.#pool.layer(layer)!; // it was just appended to
    const tokens = this.lengthOf(layer);
    this.#tableTensor ??= tensor(Int32Array.from(this.#table.flat()), {
      shape: [kind.batch, this.#table[0]?.length ?? 0],
      backend: keys.backend,
    }).keep();
    return {
      keys: keys.detach(),
      values: values.detach(),
      keyCount: tokens,
      tokens,
      pageTable: this.#tableTensor.detach(),
    };
  }

  /** @ignore Fills an empty layer. */
  protected adopt(layer: number, { keys, values }: KvPair, tokens: number, kind: KvLayerKind): void {
    this.reserve(layer, tokens, kind);
    this.write(layer, keys, values);
  }

  /** @ignore Every length that was can be again. */
  protected checkReach(_what: string, _length: number): void {}

  /** @ignore Gives pages back. */
  protected cut(length: number): void {
    const kept = pagesFor(length, this.pageTokens);
    for (const row of this.#table) {
      if (row.length > kept) this.#forgetTable();
      for (const page of row.splice(kept)) this.#pool.release(page);
    }
  }

  /** @ignore Gives its pages back; the last one to do so frees the pool. */
  protected free(): void {
    const { capacity, pageTokens } = this.#pool;
    this.cut(0);
    this.#forgetTable();
    this.#table = [];
    this.#pool.leave();
    this.#pool = new KvPagePool(this.layers, capacity, pageTokens);
  }
}

/** Tokens of one row of the batch that lie on one page. */
interface PagePiece {
  readonly row: number;
  readonly page: number;
  readonly slot: number;
  /** The first of them, counted from where the run started. */
  readonly token: number;
  readonly count: number;
}

/** Pages that so many tokens take. */
function pagesFor(tokens: number, pageTokens: number): number {
  return Math.ceil(tokens / pageTokens);
}

/**
 * A cache of bounded memory: the query at position p sees the last `window` positions, `p - window + 1` to p, and the first
 * `sinkTokens` (StreamingLLM: Xiao et al., 2023). Attention hides by position, so the numbers do not depend on chunks.
 *
 *     buffer rows:  | sinks | evicted tokens are gone here, the rest follows | new tokens | free |
 *     positions:    0 .. K-1, K + evicted .. length - 1
 *
 * Eviction, at the start of an append to a layer that has n tokens, leaves out whole blocks that no query from n on can see:
 * `evicted(n) = blockTokens * floor(max(0, n - window + 1 - K) / blockTokens)`. What stays is copied into a second buffer,
 * which all layers take turns with, so that rows lie one after another again. A buffer has `K + window + blockTokens - 1`
 * rows, enough for one token at a time; a longer chunk, whose first query still needs its whole window, gets a longer one,
 * which goes with the next eviction. Memory is thus O(window + sinkTokens + blockTokens + longest chunk).
 */
import { arange } from "../create.ts";
import { ShapeError, showShape } from "../errors.ts";
import { tidy } from "../memory.ts";
import { cat } from "../ops/rearrange.ts";
import type { Tensor } from "../tensor.ts";
import type { KeyValueView, KvCacheOptions } from "./kv_cache.ts";
import type { KvLayerKind } from "./kv_cache_layer.ts";
import type { KvPair } from "./kv_cache_layered.ts";
import { KvRows, RowsKvCache } from "./kv_cache_rows.ts";
import type { SavedKvCache } from "./kv_cache_saved.ts";
import { countSetting, settingsOf } from "./kv_cache_settings.ts";

/** Settings of {@linkcode SlidingWindowKvCache}. */
export interface SlidingWindowKvCacheOptions extends KvCacheOptions {
  /**
   * Positions a query sees, its own included: attention's `window` option and the cache's views, which leave out its own,
   * call this `left: window - 1`.
   */
  readonly window: number;
  /** Positions from the start that are never forgotten; none when left out. */
  readonly sinkTokens?: number | undefined;
  /** Tokens evicted at once: more of them take memory, fewer take copies. A quarter of the window when left out. */
  readonly blockTokens?: number | undefined;
}

const NAMES: Readonly<Record<keyof SlidingWindowKvCacheOptions, true>> = {
  dtype: true,
  window: true,
  sinkTokens: true,
  blockTokens: true,
};

const FOREIGN: Readonly<Record<string, string>> = {
  windowSize: "window",
  windowLength: "window",
  window_length: "window", // transformers
  slidingWindow: "window",
  sliding_window: "window",
  left: "window, which is left + 1",
  sinks: "sinkTokens",
  numSinkTokens: "sinkTokens",
  num_sink_tokens: "sinkTokens", // transformers
  capacity: "window, or a StaticKvCache",
  pageTokens: "a PagedKvCache",
};

/** The positions of a buffer's rows, as attention reads them. */
interface RowPositions {
  readonly evicted: number;
  readonly tensor: Tensor;
}

/**
 * A cache that keeps the latest tokens and the first few.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createScalarBackend } from "@heed/heed/backend-scalar";
 * import { randn, SlidingWindowKvCache } from "@heed/heed/core";
 *
 * const backend = createScalarBackend();
 * using cache = new SlidingWindowKvCache(1, { window: 4, sinkTokens: 1, blockTokens: 2 });
 * const token = randn([1, 2, 1, 8], { seed: 0, backend });
 * for (let i = 0; i < 9; i++) cache.append(0, token, token);
 * const { keyPositions } = cache.append(0, token, token);
 * assertEquals(await keyPositions?.toArray(), [0, 5, 6, 7, 8, 9]);
 * ```
 */
export class SlidingWindowKvCache extends RowsKvCache {
  /** Which form it is. */
  readonly form = "window";
  /** It forgets instead of running out. */
  readonly capacity: number = Infinity;
  readonly #window: number;
  readonly #sinks: number;
  readonly #block: number;
  /** Tokens gone after the sinks, by layer. */
  readonly #evicted: number[];
  #spare: KvRows | undefined;
  #positions: RowPositions | undefined;

  /**
   * An empty cache.
   *
   * @param layers the number of layers
   * @param options what it keeps, in tokens, and as what
   * @throws {ShapeError} unless there is a layer, window and blockTokens are at least 1, and sinkTokens at least 0, and for
   * a setting it does not have
   * @throws {DTypeError} when a cache cannot hold the dtype
   */
  constructor(layers: number, options: SlidingWindowKvCacheOptions) {
    const settings = settingsOf("SlidingWindowKvCache", options, NAMES, FOREIGN);
    super(layers, settings);
    this.#window = countSetting("window", settings.window, 1);
    this.#sinks = countSetting("sinkTokens", settings.sinkTokens ?? 0, 0);
    this.#block = countSetting("blockTokens", settings.blockTokens ?? Math.ceil(this.#window / 4), 1);
    this.#evicted = new Array<number>(layers).fill(0);
  }

  /** Bytes taken now, the second buffer's too. */
  override get byteLength(): number {
    return super.byteLength + (this.#spare?.byteLength ?? 0) + (this.#positions?.tensor.storage.byteLength ?? 0);
  }

  /** @ignore As attention and saved data tell it. */
  protected override get window(): NonNullable<SavedKvCache["window"]> {
    return { left: this.#window - 1, sinkTokens: this.#sinks };
  }

  /** @ignore An empty one with the same settings. */
  protected another(): SlidingWindowKvCache {
    return new SlidingWindowKvCache(this.layers, {
      window: this.#window,
      sinkTokens: this.#sinks,
      blockTokens: this.#block,
      dtype: this.wanted,
    });
  }

  /** @ignore Tokens behind the sinks that no query from `length` on needs, in whole blocks. */
  #evictable(length: number): number {
    return this.#block * Math.floor(Math.max(0, length - this.#window + 1 - this.#sinks) / this.#block);
  }

  /** @ignore The row after those of the first `length` tokens. */
  protected override rowAfter(layer: number, length: number): number {
    return length <= this.#sinks ? length : length - this.#evicted[layer]!;
  }

  /** @ignore Evicts what it can, then makes room behind what stays. */
  protected reserve(layer: number, count: number, kind: KvLayerKind): void {
    const [old, length, before] = [this.rowsOf(layer), this.lengthOf(layer), this.#evicted[layer]!];
    const after = Math.max(before, this.#evictable(length)); // a restored layer may have evicted more than its blocks
    const needed = length - after + count;
    if (old !== undefined && after === before && needed <= old.count) return;
    const carry = (into: KvRows) => {
      if (old === undefined) return;
      const sinks = Math.min(this.#sinks, length);
      into.copyFrom(old, 0, 0, sinks);
      into.copyFrom(old, sinks + after - before, sinks, length - after - sinks);
    };
    const spare = this.#spareFor(kind, needed);
    if (spare === undefined) this.setRows(layer, KvRows.filled(kind, Math.max(needed, this.#usualRows), carry));
    else {
      carry(spare);
      this.setRows(layer, spare);
      this.#spare = undefined;
    }
    this.#evicted[layer] = after;
    if (old !== undefined) this.#retire(old);
  }

  get #usualRows(): number {
    return this.#sinks + this.#window + this.#block - 1;
  }

  /** The second buffer, where it fits. */
  #spareFor({ heads, keySize, valueSize }: KvLayerKind, needed: number): KvRows | undefined {
    const spare = this.#spare;
    if (spare === undefined || needed > spare.count) return undefined;
    const { keys, values } = spare;
    const fits = keys.shape[1] === heads && keys.shape[3] === keySize && values.shape[3] === valueSize;
    return fits ? spare : undefined;
  }

  /** Keeps a buffer of the usual length for the next eviction. */
  #retire(rows: KvRows): void {
    if (this.#spare === undefined && rows.count === this.#usualRows) this.#spare = rows;
    else rows.dispose();
  }

  /** @ignore What attention reads. */
  protected override view(layer: number): KeyValueView {
    const { window } = this;
    const evicted = this.#evicted[layer]!;
    const view = super.view(layer);
    if (evicted === 0) return { ...view, window };
    return { ...view, keyPositions: this.#rowPositions(layer, evicted).narrow(0, 0, view.keyCount), window };
  }

  /** The positions of all rows of a layer's buffer: made anew by an eviction, and shared by the layers. */
  #rowPositions(layer: number, evicted: number): Tensor {
    const rows = this.rowsOf(layer)!.count; // it was just appended to
    const have = this.#positions;
    if (have !== undefined && have.evicted === evicted && have.tensor.shape[0]! >= rows) return have.tensor;
    const { backend } = this.kind(layer)!; // as above
    const tensor = tidy(() =>
      cat([
        arange(0, this.#sinks, 1, { backend }),
        arange(this.#sinks + evicted, rows + evicted, 1, { backend }),
      ])
    ).keep();
    have?.tensor.dispose();
    this.#positions = { evicted, tensor };
    return tensor;
  }

  /** @ignore Rows before position `length` that its query needs must be there. */
  protected override checkReach(what: string, length: number): void {
    if (length <= this.#sinks || this.#window === 1) return;
    const evicted = Math.max(...this.#evicted);
    const earliest = evicted === 0 ? 0 : this.#sinks + evicted + this.#window - 1;
    if (length >= earliest) return;
    throw new ShapeError(
      `Cannot ${what}: positions ${this.#sinks} to ${this.#sinks + evicted - 1} are evicted, and a window of ` +
        `${this.#window} needs some of them; it goes back to ${earliest} tokens, or to ${this.#sinks} and fewer`,
    );
  }

  /** @ignore What comes after the first `length` tokens was not evicted, but never came. */
  protected override cut(length: number): void {
    const most = Math.max(0, length - this.#sinks);
    this.#evicted.forEach((evicted, layer) => this.#evicted[layer] = Math.min(evicted, most));
  }

  /** @ignore A layer lacks what its sinks and window can do without. */
  protected override checkKept({ tokens, entries }: SavedKvCache, refuse: (why: string) => ShapeError): void {
    entries.forEach(({ keys, values }, layer) => {
      const evicted = tokens - keys.shape[2]!; // rank 4, checked
      const most = Math.max(0, tokens - this.#window + 1 - this.#sinks);
      if (evicted >= 0 && evicted <= most && keys.shape[2] === values.shape[2]) return;
      throw refuse(
        `layer ${layer} has keys ${showShape(keys.shape)} and values ${showShape(values.shape)}, and keeps at least ` +
          `${tokens - most} tokens and no more than ${tokens}; save it again`,
      );
    });
  }

  /** @ignore Fills an empty layer with the rows that were kept. */
  protected override adopt(layer: number, kept: KvPair, tokens: number, kind: KvLayerKind): void {
    super.adopt(layer, kept, tokens, kind);
    this.#evicted[layer] = tokens - kept.keys.shape[2]!;
  }

  /** @ignore Frees all buffers. */
  protected override free(): void {
    super.free();
    this.#evicted.fill(0);
    this.#spare?.dispose();
    this.#spare = undefined;
    this.#positions?.tensor.dispose();
    this.#positions = undefined;
  }
}

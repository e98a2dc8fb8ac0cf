/**
 * Caches whose rows lie one after another: a buffer a layer for keys and one for values, `[B, Hkv, rows, D]`, of which
 * attention reads the filled part as a view. Forms differ in when they make a buffer, and how long it is.
 */
import { zeros } from "../create.ts";
import { noGrad } from "../grad/no_grad.ts";
import { tidy } from "../memory.ts";
import type { Tensor } from "../tensor.ts";
import type { KeyValueView } from "./kv_cache.ts";
import type { KvLayerKind } from "./kv_cache_layer.ts";
import { type KvPair, LayeredKvCache } from "./kv_cache_layered.ts";
import { gathered } from "./kv_cache_saved.ts";

/** @ignore The buffers of one layer; they survive `tidy`. */
export class KvRows implements KvPair {
  /** @ignore What they were made for. */
  readonly kind: KvLayerKind;
  /** @ignore `[B, Hkv, rows, D]`. */
  readonly keys: Tensor;
  /** @ignore `[B, Hkv, rows, Dv]`. */
  readonly values: Tensor;

  /**
   * @ignore Both buffers, or neither.
   *
   * @param blocks how many times `rows` rows: once a sequence, or a page
   */
  constructor(kind: KvLayerKind, rows: number, blocks: number = kind.batch) {
    const { backend, dtype, heads, keySize, valueSize } = kind;
    this.kind = kind;
    this.keys = zeros([blocks, heads, rows, keySize], { dtype, backend }).keep();
    try {
      this.values = zeros([blocks, heads, rows, valueSize], { dtype, backend }).keep();
    } catch (error) {
      this.keys.dispose();
      throw error;
    }
  }

  /** @ignore Rows there is room for. */
  get count(): number {
    return this.keys.shape[2]!;
  }

  /** @ignore Bytes taken. */
  get byteLength(): number {
    return this.keys.storage.byteLength + this.values.storage.byteLength;
  }

  /** @ignore Views of some rows. */
  part(start: number, count: number): KvPair {
    return { keys: this.keys.narrow(2, start, count), values: this.values.narrow(2, start, count) };
  }

  /** @ignore Writes rows from `start` on, converting as needed. */
  write(start: number, keys: Tensor, values: Tensor): void {
    tidy(() => {
      this.keys.narrow(2, start, keys.shape[2]!).copy_(keys);
      this.values.narrow(2, start, values.shape[2]!).copy_(values);
    });
  }

  /** @ignore Writes `count` rows of another layer's, from its row `from` on. */
  copyFrom(other: KvRows, from: number, start: number, count: number): void {
    if (count === 0) return;
    using keys = other.keys.narrow(2, from, count);
    using values = other.values.narrow(2, from, count);
    this.write(start, keys, values);
  }

  /** @ignore New buffers with what `fill` puts into them, or none when it fails. */
  static filled(kind: KvLayerKind, rows: number, fill: (into: KvRows) => void): KvRows {
    const into = new KvRows(kind, rows);
    try {
      fill(into);
      return into;
    } catch (error) {
      into.dispose();
      throw error;
    }
  }

  /** @ignore Frees both. */
  dispose(): void {
    this.keys.dispose();
    this.values.dispose();
  }
}

/** A cache whose rows lie one after another. */
export abstract class RowsKvCache extends LayeredKvCache {
  readonly #rows: (KvRows | undefined)[] = new Array<KvRows | undefined>(this.layers).fill(undefined);

  /** @ignore An empty cache with the same settings. */
  protected abstract another(): RowsKvCache;

  /** @ignore A layer's buffers. */
  protected rowsOf(layer: number): KvRows | undefined {
    return this.#rows[layer];
  }

  /** @ignore Gives a layer its buffers. */
  protected setRows(layer: number, rows: KvRows): void {
    this.#rows[layer] = rows;
  }

  /** @ignore What a layer's first append settled. */
  protected kind(layer: number): KvLayerKind | undefined {
    return this.#rows[layer]?.kind;
  }

  /** @ignore The row after those of the first `length` tokens. */
  protected rowAfter(_layer: number, length: number): number {
    return length;
  }

  /** Bytes taken now. */
  get byteLength(): number {
    return this.#rows.reduce((sum, rows) => sum + (rows?.byteLength ?? 0), 0);
  }

  /** A copy that goes on independently. */
  fork(): RowsKvCache {
    const copy = this.another();
    try {
      noGrad(() => this.#rows.forEach((_, layer) => this.#forkLayer(copy, layer)));
      return copy;
    } catch (error) {
      copy.dispose();
      throw error;
    }
  }

  #forkLayer(copy: RowsKvCache, layer: number): void {
    const kind = this.kind(layer);
    if (kind === undefined) return;
    const length = this.lengthOf(layer);
    const kept = this.#kept(layer, length);
    using keys = kept.keys;
    using values = kept.values;
    copy.adopt(layer, { keys, values }, length, kind);
    copy.setLength(layer, length);
  }

  #kept(layer: number, length: number): KvPair {
    return this.#rows[layer]!.part(0, this.rowAfter(layer, length)); // a layer with a kind has rows
  }

  /** @ignore Writes tokens after those the layer has. */
  protected write(layer: number, keys: Tensor, values: Tensor): void {
    this.#rows[layer]!.write(this.rowAfter(layer, this.lengthOf(layer)), keys, values); // room was made
  }

  /** @ignore What attention reads. */
  protected view(layer: number): KeyValueView {
    const tokens = this.lengthOf(layer);
    const keyCount = this.rowAfter(layer, tokens);
    return { ...this.#kept(layer, tokens), keyCount, tokens };
  }

  /** @ignore Copies of the kept rows. */
  protected gather(layer: number, length: number): KvPair {
    const kept = this.#kept(layer, length);
    using keys = kept.keys;
    using values = kept.values;
    return { keys: gathered(keys), values: gathered(values) };
  }

  /** @ignore Fills an empty layer. */
  protected adopt(layer: number, { keys, values }: KvPair, _tokens: number, kind: KvLayerKind): void {
    this.reserve(layer, keys.shape[2]!, kind);
    this.write(layer, keys, values);
  }

  /** @ignore Every length that was can be again. */
  protected checkReach(_what: string, _length: number): void {}

  /** @ignore Rows beyond the length are written over. */
  protected cut(_length: number): void {}

  /** @ignore Frees all buffers. */
  protected free(): void {
    for (const rows of this.#rows) rows?.dispose();
    this.#rows.fill(undefined);
  }
}

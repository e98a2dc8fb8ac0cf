/**
 * Pages of keys and values that caches share (PagedAttention: Kwon et al., 2023): a pool `[P, Hkv, pageTokens, D]` a layer,
 * page ids the same in all layers, handed out from a free list, and for each page how many caches hold it. A page that more
 * than one holds is never written to. The pool's memory goes with the last cache that uses it.
 */
import { tidy } from "../memory.ts";
import type { KvLayerKind } from "./kv_cache_layer.ts";
import { KvRows } from "./kv_cache_rows.ts";

/** @ignore The pages of a cache and its forks. */
export class KvPagePool {
  /** @ignore Tokens a sequence, all caches together. */
  readonly capacity: number;
  /** @ignore Tokens a page. */
  readonly pageTokens: number;
  /** @ignore Caches that use it. */
  users = 1;
  readonly #layers: (KvRows | undefined)[];
  #holders: number[] = [];
  #free: number[] = [];

  /** @ignore A pool without memory. */
  constructor(layers: number, capacity: number, pageTokens: number) {
    this.capacity = pageTokens * Math.ceil(capacity / pageTokens);
    this.pageTokens = pageTokens;
    this.#layers = new Array<KvRows | undefined>(layers).fill(undefined);
  }

  /** @ignore Settles the number of pages by that of sequences; before there is memory, no page is held. */
  open(batch: number): void {
    if (this.#layers.some((layer) => layer !== undefined)) return;
    const pages = batch * (this.capacity / this.pageTokens);
    this.#holders = new Array<number>(pages).fill(0);
    this.#free = Array.from({ length: pages }, (_, i) => pages - 1 - i);
  }

  /** @ignore Gives a layer its memory. */
  makeLayer(layer: number, kind: KvLayerKind): void {
    this.#layers[layer] ??= new KvRows(kind, this.pageTokens, this.#holders.length);
  }

  /** @ignore A layer's memory, and what it was made for, on which all caches of the pool thus agree. */
  layer(layer: number): KvRows | undefined {
    return this.#layers[layer];
  }

  /** @ignore All pages. */
  get pages(): number {
    return this.#holders.length;
  }

  /** @ignore Pages that nobody holds. */
  get freePages(): number {
    return this.#free.length;
  }

  /** @ignore Bytes of all layers. */
  get byteLength(): number {
    return this.#layers.reduce((sum, layer) => sum + (layer?.byteLength ?? 0), 0);
  }

  /** @ignore A free page, of which there must be one. */
  take(): number {
    const page = this.#free.pop()!;
    this.#holders[page] = 1;
    return page;
  }

  /** @ignore One holder more. */
  hold(page: number): void {
    this.#holders[page]!++;
  }

  /** @ignore One holder less; without any it is free. */
  release(page: number): void {
    if (--this.#holders[page]! === 0) this.#free.push(page);
  }

  /** @ignore Whether more than one cache holds a page. */
  isShared(page: number): boolean {
    return this.#holders[page]! > 1;
  }

  /** @ignore A free page with what another one holds, in all layers, in exchange for that one. */
  takeCopy(page: number): number {
    const target = this.#free.at(-1)!; // taken after the copy, which may fail
    for (const layer of this.#layers) {
      if (layer === undefined) continue;
      tidy(() => {
        layer.keys.select(0, target).copy_(layer.keys.select(0, page));
        layer.values.select(0, target).copy_(layer.values.select(0, page));
      });
    }
    this.release(page);
    return this.take();
  }

  /** @ignore One cache less. */
  leave(): void {
    if (--this.users > 0) return;
    for (const layer of this.#layers) layer?.dispose();
    this.#layers.fill(undefined);
  }
}

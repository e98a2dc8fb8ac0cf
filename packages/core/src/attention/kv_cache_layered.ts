/**
 * What every form of cache shares: the checks, how many tokens each layer has seen, and saving and restoring. A form says
 * where rows lie: how to make room, write, look, forget and free.
 *
 * Layers are appended to one after another, so while a step runs (or after it failed) some are ahead, by one step and never
 * more; `length` is what all of them have, and can therefore always be gone back to.
 */
import type { Backend } from "../backend.ts";
import { fromBytes, resolveBackend } from "../create.ts";
import { BackendError, checkNames, ShapeError, showShape, showValue } from "../errors.ts";
import { noGrad } from "../grad/no_grad.ts";
import { tidy } from "../memory.ts";
import type { Tensor } from "../tensor.ts";
import type { KeyValueView, KvCache, KvCacheDType, KvCacheOptions } from "./kv_cache.ts";
import { kindOf, type KvLayerKind } from "./kv_cache_layer.ts";
import {
  checkForm,
  checkSaved,
  type KvCacheForm,
  type SavedKvCache,
  type SavedKvTensor,
  savedTensor,
} from "./kv_cache_saved.ts";

/** @ignore Keys and values of a layer. */
export interface KvPair {
  readonly keys: Tensor;
  readonly values: Tensor;
}

/** A cache of any form. */
export abstract class LayeredKvCache implements KvCache {
  /** Which form it is. */
  abstract readonly form: KvCacheForm;
  /** How many layers it has. */
  readonly layers: number;
  /** @ignore The dtype asked for. */
  protected readonly wanted: KvCacheDType | undefined;
  readonly #lengths: number[];

  /**
   * An empty cache, which takes its memory when keys first come.
   *
   * @param layers the number of layers
   * @param options what it holds, which the form has checked
   * @throws {ShapeError} unless there is at least one layer
   */
  constructor(layers: number, { dtype }: KvCacheOptions) {
    if (!Number.isInteger(layers) || layers < 1) {
      throw new ShapeError(`Cannot make a cache of ${showValue(layers)} layers: there must be at least one`);
    }
    this.layers = layers;
    this.wanted = dtype;
    this.#lengths = new Array<number>(layers).fill(0);
  }

  /** Tokens there is room for before it must grow or refuse; Infinity where it forgets instead. */
  abstract get capacity(): number;
  /** Bytes taken now. */
  abstract get byteLength(): number;
  /** A cache of its own with the same tokens; the two go on independently. */
  abstract fork(): LayeredKvCache;

  /** @ignore What a layer's first append settled. */
  protected abstract kind(layer: number): KvLayerKind | undefined;
  /** @ignore Makes room for `count` more tokens of a layer, or throws and changes nothing. */
  protected abstract reserve(layer: number, count: number, kind: KvLayerKind): void;
  /** @ignore Writes tokens after those the layer has. */
  protected abstract write(layer: number, keys: Tensor, values: Tensor): void;
  /** @ignore What attention reads. */
  protected abstract view(layer: number): KeyValueView;
  /** @ignore Copies of the kept rows of the first `length` tokens, `[B, Hkv, S, D]` each. */
  protected abstract gather(layer: number, length: number): KvPair;
  /** @ignore Fills an empty layer that is to have seen `tokens` tokens with the rows it kept. */
  protected abstract adopt(layer: number, kept: KvPair, tokens: number, kind: KvLayerKind): void;
  /** @ignore Throws when it cannot go back to `length`. */
  protected abstract checkReach(what: string, length: number): void;
  /** @ignore Lets go of what only tokens from `length` on needed; called while layers still have them. */
  protected abstract cut(length: number): void;
  /** @ignore Frees all memory. */
  protected abstract free(): void;

  /** What it holds; undefined until the first append decides. */
  get dtype(): KvCacheDType | undefined {
    return this.wanted ?? this.anyKind?.dtype;
  }

  /** Tokens that every layer has seen. */
  get length(): number {
    return Math.min(...this.#lengths);
  }

  /**
   * Tokens that one layer has seen.
   *
   * @param layer from 0
   * @throws {ShapeError} when there is no such layer
   */
  lengthOf(layer: number): number {
    this.#checkLayer("tell the length of", layer);
    return this.#lengths[layer]!; // checked
  }

  /** @ignore Notes what a layer has, once it has it. */
  protected setLength(layer: number, tokens: number): void {
    this.#lengths[layer] = tokens;
  }

  #checkLayer(what: string, layer: number): void {
    if (Number.isInteger(layer) && layer >= 0 && layer < this.layers) return;
    throw new ShapeError(
      `Cannot ${what} layer ${showValue(layer)} of a cache: it has layers 0 to ${this.layers - 1}`,
    );
  }

  /** @ignore What some layer holds. */
  protected get anyKind(): KvLayerKind | undefined {
    for (let layer = 0; layer < this.layers; layer++) {
      const kind = this.kind(layer);
      if (kind !== undefined) return kind;
    }
    return undefined;
  }

  /** @ignore The window, as saved data tell it. */
  protected get window(): SavedKvCache["window"] {
    return undefined;
  }

  /**
   * Adds the keys and values of new tokens to a layer. A step brings every layer that is used as many tokens, once.
   *
   * @param layer from 0
   * @param keys `[B, Hkv, T, D]`
   * @param values `[B, Hkv, T, Dv]`
   * @returns what attention reads, good until the next change; the caller disposes of its tensors
   * @throws {ShapeError} when there is no such layer, shapes differ from what is cached, layers would come apart, or there
   * is no room
   * @throws {DTypeError} when keys or values are no tensors of floats or q8_0, or heads are no whole q8_0 blocks
   * @throws {BackendError} when keys, values and cache do not share a backend
   */
  append(layer: number, keys: Tensor, values: Tensor): KeyValueView {
    this.#checkLayer("append to", layer);
    const kind = kindOf(`layer ${layer}`, keys, values, this.kind(layer), this.anyKind, this.wanted);
    const count = keys.shape[2]!; // rank 4, checked
    this.#checkStep(layer, count);
    return noGrad(() => {
      this.reserve(layer, count, kind);
      this.write(layer, keys, values);
      const before = this.lengthOf(layer);
      this.setLength(layer, before + count);
      try {
        return this.view(layer);
      } catch (error) { // no room for a table: the tokens did not come
        this.setLength(layer, before);
        throw error;
      }
    });
  }

  /** Refuses tokens by which layers would come apart; those without any are not used, or not yet. */
  #checkStep(layer: number, count: number): void {
    const before = this.lengthOf(layer);
    const most = Math.max(...this.#lengths);
    const lacking = this.#lengths.findIndex((length) => length > 0 && length < most);
    const ahead = this.#lengths.indexOf(most);
    if (before === most ? lacking === -1 : count === 0 || before + count === most) return;
    const why = before === most
      ? `it has ${before} and layer ${lacking} has ${this.lengthOf(lacking)}; append to that one first`
      : `with the ${before} it has they are ${before + count}, and layer ${ahead} has ${most}; append ${most - before}`;
    throw new ShapeError(
      `Cannot append ${count} tokens to layer ${layer}: ${why}, or take the step back with truncate(${this.length})`,
    );
  }

  /**
   * Forgets all tokens but the first `length`; going on from there equals never having gone further.
   *
   * @throws {ShapeError} when it has fewer, or cannot go back so far
   */
  truncate(length: number): void {
    if (!Number.isInteger(length) || length < 0 || length > this.length) {
      throw new ShapeError(
        `Cannot truncate a cache of ${this.length} tokens to ${
          showValue(length)
        }: a length goes from 0 to ${this.length}`,
      );
    }
    this.checkReach(`truncate a cache of ${this.length} tokens to ${length}`, length);
    this.cut(length);
    this.#lengths.fill(length);
  }

  /** Forgets all tokens, and keeps the memory, so shapes stay as they are. */
  clear(): void {
    this.truncate(0);
  }

  /** Its tokens as plain data; copies are made at once, so that the cache may go on while they are read. */
  async save(): Promise<SavedKvCache> {
    const { form, layers, length: tokens, window } = this;
    const copies = tokens === 0 ? [] : this.#copies(tokens);
    const dtype = this.dtype!; // where there are tokens
    const read = copies.map(async ({ keys, values }) => {
      const [savedKeys, savedValues] = await Promise.all([savedTensor(keys), savedTensor(values)]);
      return { dtype, keys: savedKeys, values: savedValues };
    });
    return { form, layers, tokens, ...(window === undefined ? {} : { window }), entries: await Promise.all(read) };
  }

  /** Copies of every layer, which outlive a surrounding `tidy` until they are read. */
  #copies(tokens: number): KvPair[] {
    const copies: KvPair[] = [];
    try {
      for (let layer = 0; layer < this.layers; layer++) {
        const { keys, values } = noGrad(() => tidy(() => this.gather(layer, tokens)));
        copies.push({ keys: keys.keep(), values: values.keep() });
      }
      return copies;
    } catch (error) {
      for (const { keys, values } of copies) [keys, values].forEach((x) => x.dispose());
      throw error;
    }
  }

  /**
   * Puts saved tokens into this cache; all of them or, on an error, none.
   *
   * @param saved from a cache of the same form
   * @param options where a cache without memory puts them; the default backend when left out
   * @throws {ShapeError} when this cache is not empty, `saved` is not what `save` gives, form, layers, window, shapes or byte
   * lengths do not fit, or there is no room
   * @throws {DTypeError} when the dtype is another one than this cache holds
   * @throws {BackendError} when the cache has its memory on another backend
   */
  restore(saved: SavedKvCache, options: { readonly backend?: Backend | undefined } = {}): void {
    checkNames("restore a cache", options, { backend: true });
    this.#checkRestore(saved);
    if (saved.tokens === 0) return;
    const fresh = this.anyKind === undefined;
    const backend = this.anyKind?.backend ?? resolveBackend(options.backend);
    if (options.backend !== undefined && options.backend !== backend) {
      throw new BackendError(
        `Cannot restore a cache on ${options.backend.name}: it has its memory on ${backend.name}; use a fresh one`,
      );
    }
    try {
      noGrad(() => saved.entries.forEach((_, layer) => this.#restoreLayer(layer, saved, backend)));
    } catch (error) {
      if (fresh) this.dispose();
      else this.clear();
      throw error;
    }
  }

  #checkRestore(saved: SavedKvCache): void {
    checkForm(saved);
    const refuse = (why: string) =>
      new ShapeError(`Cannot restore a ${saved.form} cache of ${saved.tokens} tokens: ${why}`);
    if (this.#lengths.some((length) => length > 0)) throw refuse("this one is not empty; clear it first");
    if (saved.form !== this.form) throw refuse(`this one is ${this.form}; make one of the same form`);
    if (saved.layers !== this.layers) {
      throw refuse(`it has ${saved.layers} layers and this one ${this.layers}; make one of as many`);
    }
    checkSaved(saved, this.dtype);
    this.checkKept(saved, refuse);
    const [shown, own] = [JSON.stringify(saved.window), JSON.stringify(this.window)];
    if (shown !== own) throw refuse(`its window is ${shown} and this one's ${own}; make one with the same`);
  }

  /** @ignore Checks how many rows saved layers have. @throws {ShapeError} made by `refuse` */
  protected checkKept({ tokens, entries }: SavedKvCache, refuse: (why: string) => ShapeError): void {
    entries.forEach(({ keys, values }, layer) => {
      if (keys.shape[2] === tokens && values.shape[2] === tokens) return;
      throw refuse(
        `layer ${layer} has keys ${showShape(keys.shape)} and values ${showShape(values.shape)}; save it again`,
      );
    });
  }

  #restoreLayer(layer: number, { entries, tokens }: SavedKvCache, backend: Backend): void {
    const entry = entries[layer]!; // one a layer, checked
    const load = ({ bytes, shape }: SavedKvTensor) => fromBytes(bytes, shape, entry.dtype, { backend });
    using keys = load(entry.keys);
    using values = load(entry.values);
    const kind = kindOf(`layer ${layer}`, keys, values, this.kind(layer), this.anyKind, this.wanted);
    this.adopt(layer, { keys, values }, tokens, kind);
    this.setLength(layer, tokens);
  }

  /** Frees everything; the cache is empty then. */
  dispose(): void {
    this.free();
    this.#lengths.fill(0);
  }

  /** The same, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

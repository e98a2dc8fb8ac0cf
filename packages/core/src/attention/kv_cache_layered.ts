/**
 * What every form of cache shares: the checks, how many tokens each layer has seen, and saving and restoring. A form says
 * where rows lie: how to make room, write, look, forget and free.
 *
 * Layers are appended to one after another, so while a step runs (or after it failed) the first ones are ahead; `length` is
 * what all of them have.
 */
import type { Backend } from "../backend.ts";
import { fromBytes, resolveBackend } from "../create.ts";
import { type DType, dtypeInfo } from "../dtype.ts";
import { BackendError, DTypeError, ShapeError, showShape } from "../errors.ts";
import { noGrad } from "../grad/no_grad.ts";
import { tidy } from "../memory.ts";
import type { Tensor } from "../tensor.ts";
import type { KeyValueView, KvCache, KvCacheDType, KvCacheOptions } from "./kv_cache.ts";
import { kindOf, type KvLayerKind } from "./kv_cache_layer.ts";
import { checkSaved, type KvCacheForm, type SavedKvCache, type SavedKvTensor, savedTensor } from "./kv_cache_saved.ts";

/** @ignore Keys and values of a layer. */
export interface KvPair {
  readonly keys: Tensor;
  readonly values: Tensor;
}

const DTYPES: readonly KvCacheDType[] = ["f32", "f16", "q8_0"];

/**
 * @ignore A setting that counts tokens.
 * @throws {ShapeError} unless it is a whole number of at least `least`
 */
export function countSetting(name: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new ShapeError(`Cannot make a cache with ${name} ${value}: it is a whole number of tokens, at least ${least}`);
}

/** A cache of any form. */
export abstract class LayeredKvCache implements KvCache {
  /** Which form it is. */
  abstract readonly form: KvCacheForm;
  /** How many layers it has. */
  readonly layers: number;
  /** @ignore The dtype asked for. */
  protected readonly wanted: KvCacheDType | undefined;
  /** @ignore Tokens each layer has seen. */
  protected readonly lengths: number[];
  /** @ignore What each layer's first append settled. */
  protected kinds: (KvLayerKind | undefined)[];

  /**
   * An empty cache, which takes its memory when keys first come.
   *
   * @param layers the number of layers
   * @throws {ShapeError} unless there is at least one layer
   * @throws {DTypeError} when a cache cannot hold the dtype
   */
  constructor(layers: number, options: KvCacheOptions) {
    if (!Number.isInteger(layers) || layers < 1) {
      throw new ShapeError(`Cannot make a cache of ${layers} layers: there must be at least one`);
    }
    const { dtype } = options;
    if (dtype !== undefined && !DTYPES.includes(dtype)) {
      throw new DTypeError(`Cannot make a cache of dtype ${JSON.stringify(dtype)}: it is ${DTYPES.join(", ")}`);
    }
    this.layers = layers;
    this.wanted = dtype;
    this.lengths = new Array<number>(layers).fill(0);
    this.kinds = new Array<KvLayerKind | undefined>(layers).fill(undefined);
  }

  /** Tokens there is room for before it must grow or refuse; Infinity where it forgets instead. */
  abstract get capacity(): number;
  /** Bytes taken now. */
  abstract get byteLength(): number;
  /** A cache of its own with the same tokens; the two go on independently. */
  abstract fork(): LayeredKvCache;

  /** @ignore Makes room for `count` more tokens of a layer, or throws and changes nothing. */
  protected abstract reserve(layer: number, count: number, kind: KvLayerKind): void;
  /** @ignore Writes tokens after those the layer has. */
  protected abstract write(layer: number, keys: Tensor, values: Tensor): void;
  /** @ignore What attention reads. */
  protected abstract view(layer: number): KeyValueView;
  /** @ignore Copies of the kept rows of the first `length` tokens, `[B, Hkv, S, D]` each. */
  protected abstract gather(layer: number, length: number): KvPair;
  /** @ignore Fills an empty layer that has seen `tokens` tokens with the rows it kept. */
  protected abstract adopt(layer: number, kept: KvPair, tokens: number, kind: KvLayerKind): void;
  /** @ignore Throws when it cannot go back to `length`. */
  protected abstract checkReach(what: string, length: number): void;
  /** @ignore Lets go of what only tokens from `length` on needed; called while `lengths` still has them. */
  protected abstract cut(length: number): void;
  /** @ignore Frees all memory. */
  protected abstract free(): void;

  /** What it holds; undefined until the first append decides. */
  get dtype(): DType | undefined {
    return this.wanted ?? this.anyKind?.dtype;
  }

  /** Tokens that every layer has seen. */
  get length(): number {
    return Math.min(...this.lengths);
  }

  /** @ignore What some layer holds. */
  protected get anyKind(): KvLayerKind | undefined {
    return this.kinds.find((kind) => kind !== undefined);
  }

  /** @ignore The window, as saved data tell it. */
  protected get window(): SavedKvCache["window"] {
    return undefined;
  }

  /**
   * Adds the keys and values of new tokens to a layer.
   *
   * @param layer from 0
   * @param keys `[B, Hkv, T, D]`
   * @param values `[B, Hkv, T, Dv]`
   * @returns what attention reads, good until the next change; the caller disposes of its tensors
   * @throws {ShapeError} when there is no such layer, shapes differ from what is cached, or there is no room
   * @throws {DTypeError} when the dtype is no float, or heads are no whole q8_0 blocks
   * @throws {BackendError} when keys, values and cache do not share a backend
   */
  append(layer: number, keys: Tensor, values: Tensor): KeyValueView {
    if (!(layer in this.kinds)) {
      throw new ShapeError(`Cannot append to layer ${layer} of a cache: it has layers 0 to ${this.layers - 1}`);
    }
    const kind = kindOf(`layer ${layer}`, keys, values, this.kinds[layer], this.anyKind, this.wanted);
    return noGrad(() => {
      this.reserve(layer, keys.shape[2]!, kind);
      this.kinds[layer] = kind;
      this.write(layer, keys, values);
      const before = this.lengths[layer]!;
      this.lengths[layer] = before + keys.shape[2]!;
      try {
        return this.view(layer);
      } catch (error) { // no room for a table: the tokens did not come
        this.lengths[layer] = before;
        throw error;
      }
    });
  }

  /**
   * Forgets all tokens but the first `length`; going on from there equals never having gone further.
   *
   * @throws {ShapeError} when it has fewer, or cannot go back so far
   */
  truncate(length: number): void {
    if (!Number.isInteger(length) || length < 0 || length > this.length) {
      throw new ShapeError(
        `Cannot truncate a cache of ${this.length} tokens to ${length}: a length goes from 0 to ${this.length}`,
      );
    }
    this.checkReach(`truncate a cache of ${this.length} tokens to ${length}`, length);
    this.cut(length);
    this.lengths.fill(length);
  }

  /** Forgets all tokens, and keeps the memory, so shapes stay as they are. */
  clear(): void {
    this.truncate(0);
  }

  /** Its tokens as plain data; copies are made at once, so that the cache may go on while they are read. */
  async save(): Promise<SavedKvCache> {
    const { form, layers, length: tokens, window } = this;
    this.checkReach(`save the ${tokens} tokens that all layers have`, tokens);
    const copies = tokens === 0 ? [] : this.#copies(tokens);
    const read = copies.map(async ({ keys, values }) => {
      const { dtype } = keys;
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
   * @throws {ShapeError} when this cache is not empty, form, layers, window, shapes or byte lengths do not fit, or there
   * is no room
   * @throws {DTypeError} when the dtype is another one
   * @throws {BackendError} when the cache has its memory on another backend
   */
  restore(saved: SavedKvCache, options: { readonly backend?: Backend | undefined } = {}): void {
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
    const refuse = (why: string) =>
      new ShapeError(`Cannot restore a ${saved.form} cache of ${saved.tokens} tokens: ${why}`);
    if (this.lengths.some((length) => length > 0)) throw refuse("this one is not empty; clear it first");
    if (saved.form !== this.form) throw refuse(`this one is ${this.form}; make one of the same form`);
    if (saved.layers !== this.layers) {
      throw refuse(`it has ${saved.layers} layers and this one ${this.layers}; make one of as many`);
    }
    checkSaved(saved);
    this.checkKept(saved, refuse);
    const [shown, own] = [JSON.stringify(saved.window), JSON.stringify(this.window)];
    if (shown !== own) throw refuse(`its window is ${shown} and this one's ${own}; make one with the same`);
    for (const { dtype } of saved.entries) {
      dtypeInfo(dtype);
      if (dtype === (this.dtype ?? dtype)) continue;
      throw new DTypeError(
        `Cannot restore a ${saved.form} cache of ${dtype}: this one holds ${this.dtype}; make one of dtype ${dtype}`,
      );
    }
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
    const kind = kindOf(`layer ${layer}`, keys, values, this.kinds[layer], this.anyKind, this.wanted);
    this.adopt(layer, { keys, values }, tokens, kind);
    this.kinds[layer] = kind;
    this.lengths[layer] = tokens;
  }

  /** Frees everything; the cache is empty then. */
  dispose(): void {
    this.free();
    this.lengths.fill(0);
    this.kinds = new Array<KvLayerKind | undefined>(this.layers).fill(undefined);
  }

  /** The same, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

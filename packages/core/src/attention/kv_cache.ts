/**
 * The keys and values of tokens already seen, so that each new token costs one step. A growable cache keeps one buffer a
 * layer for keys and one for values, `[B, Hkv, capacity, D]`, which double when full: appending copies only what is new,
 * and attention reads the filled part as a view.
 */
import { zeros } from "../create.ts";
import { ShapeError, showShape } from "../errors.ts";
import { noGrad } from "../grad/no_grad.ts";
import type { Tensor } from "../tensor.ts";

/** What attention reads after an append: all keys and values of the layer so far. */
export interface KeyValueView {
  /** `[B, Hkv, S, D]`, a view of the cache. */
  readonly keys: Tensor;
  /** `[B, Hkv, S, Dv]`, a view of the cache. */
  readonly values: Tensor;
}

/** Keys and values of a sequence, by layer. */
export interface KvCache extends Disposable {
  /** Tokens that every layer has. */
  readonly length: number;
  /** Bytes taken now. */
  readonly byteLength: number;
  /** Adds the keys and values of new tokens to a layer, and gives all of them. */
  append(layer: number, keys: Tensor, values: Tensor): KeyValueView;
  /** Forgets all tokens but the first `length`. */
  truncate(length: number): void;
  /** Frees everything. */
  dispose(): void;
}

interface Layer {
  keys: Tensor;
  values: Tensor;
  length: number;
}

const FIRST_CAPACITY = 64; // tokens; doubling from here reaches 8,192 in seven steps

/** A cache that doubles when it is full. */
export class GrowableKvCache implements KvCache {
  readonly #layers: (Layer | undefined)[];

  /**
   * An empty cache.
   *
   * @param layers the number of layers
   */
  constructor(layers: number) {
    if (!Number.isInteger(layers) || layers < 1) {
      throw new ShapeError(`Cannot make a cache of ${layers} layers: there must be at least one`);
    }
    this.#layers = new Array<Layer | undefined>(layers).fill(undefined);
  }

  /** Tokens that every layer has. */
  get length(): number {
    return Math.min(...this.#layers.map((layer) => layer?.length ?? 0));
  }

  /** Tokens there is room for. */
  get capacity(): number {
    return this.#layers[0]?.keys.shape[2] ?? 0;
  }

  /** Bytes taken now. */
  get byteLength(): number {
    return this.#layers.reduce(
      (sum, l) => sum + (l === undefined ? 0 : l.keys.storage.byteLength + l.values.storage.byteLength),
      0,
    );
  }

  /**
   * Adds new tokens to a layer.
   *
   * @param layer from 0
   * @param keys `[B, Hkv, T, D]`
   * @param values `[B, Hkv, T, Dv]`
   * @returns views of all tokens of the layer so far; the caller disposes of them
   * @throws {ShapeError} when there is no such layer, or shapes differ from what is cached
   */
  append(layer: number, keys: Tensor, values: Tensor): KeyValueView {
    this.#check(layer, keys, values);
    return noGrad(() => {
      const before = this.#layers[layer];
      const start = before?.length ?? 0;
      const length = start + keys.shape[2]!;
      const into = this.#withRoom(layer, keys, values, length);
      write(into.keys, start, keys);
      write(into.values, start, values);
      into.length = length;
      return { keys: into.keys.narrow(2, 0, length), values: into.values.narrow(2, 0, length) };
    });
  }

  #check(layer: number, keys: Tensor, values: Tensor): void {
    if (!(layer in this.#layers)) {
      throw new ShapeError(`Cannot append to layer ${layer} of a cache: it has layers 0 to ${this.#layers.length - 1}`);
    }
    const cached = this.#layers[layer];
    const fits = (x: Tensor, have: Tensor | undefined) =>
      x.rank === 4 && (have === undefined || x.shape.every((size, i) => i === 2 || size === have.shape[i]));
    if (fits(keys, cached?.keys) && fits(values, cached?.values) && keys.shape[2] === values.shape[2]) return;
    throw new ShapeError(
      `Cannot append keys ${showShape(keys.shape)} and values ${showShape(values.shape)} to layer ${layer}: ` +
        (cached === undefined
          ? "each is [B, Hkv, T, D], with one T"
          : `it holds keys ${showShape(cached.keys.shape)} and values ${showShape(cached.values.shape)}`),
    );
  }

  /** The layer with room for `length` tokens: as it is, or copied into buffers twice as long. */
  #withRoom(index: number, keys: Tensor, values: Tensor, length: number): Layer {
    const layer = this.#layers[index];
    if (layer !== undefined && layer.keys.shape[2]! >= length) return layer;
    let capacity = layer?.keys.shape[2] ?? FIRST_CAPACITY;
    while (capacity < length) capacity *= 2;
    const larger = { keys: grown(keys, capacity), values: grown(values, capacity), length: layer?.length ?? 0 };
    if (layer !== undefined && layer.length > 0) {
      using oldKeys = layer.keys.narrow(2, 0, layer.length);
      using oldValues = layer.values.narrow(2, 0, layer.length);
      write(larger.keys, 0, oldKeys);
      write(larger.values, 0, oldValues);
    }
    layer?.keys.dispose();
    layer?.values.dispose();
    this.#layers[index] = larger;
    return larger;
  }

  /** Forgets all tokens but the first `length`. @throws {ShapeError} when there are fewer */
  truncate(length: number): void {
    if (!Number.isInteger(length) || length < 0 || length > this.length) {
      throw new ShapeError(`Cannot truncate a cache of ${this.length} tokens to ${length}`);
    }
    for (const layer of this.#layers) if (layer !== undefined) layer.length = length;
  }

  /** Frees everything; the cache is empty then. */
  dispose(): void {
    this.#layers.forEach((layer, i) => {
      layer?.keys.dispose();
      layer?.values.dispose();
      this.#layers[i] = undefined;
    });
  }

  /** The same, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

function grown(like: Tensor, capacity: number): Tensor {
  return zeros(like.shape.with(2, capacity), { dtype: like.dtype, backend: like.backend }).keep();
}

function write(into: Tensor, start: number, tokens: Tensor): void {
  using place = into.narrow(2, start, tokens.shape[2]!);
  place.copy_(tokens);
}

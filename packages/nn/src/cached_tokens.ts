/**
 * Where new tokens begin: after those that the cache has seen. Positions, rotations and masks all count from here.
 *
 * A layer counts its own tokens, since within a step the layers before it are ahead. A whole model needs a cache with as many
 * layers as it has, all of them as far as each other.
 */
import { type KvCache, ShapeError } from "../../core/mod.ts";
import { showValue } from "../../core/src/errors.ts";

/** Tokens that a layer has seen. @throws {ShapeError} when the cache is none, or has no such layer */
export function tokensBefore(cache: KvCache | undefined, layer: number): number {
  if (cache === undefined) return 0;
  checkIsCache(cache);
  return cache.lengthOf(layer);
}

/**
 * Tokens that a model has seen.
 *
 * @param layers how many the model has
 * @throws {ShapeError} when the cache is none, has another number of layers, or some are ahead of others
 */
export function tokensBeforeModel(cache: KvCache | undefined, layers: number): number {
  if (cache === undefined) return 0;
  checkIsCache(cache);
  if (cache.layers !== layers) {
    throw new ShapeError(
      `Cannot run a Llama of ${layers} layers with a cache of ${cache.layers}: each has one of its own; ` +
        `use model.createCache()`,
    );
  }
  const { length } = cache;
  let layer = 0;
  while (layer < layers && cache.lengthOf(layer) === length) layer++;
  if (layer === layers) return length;
  const seen = Array.from({ length: layers }, (_, layer) => cache.lengthOf(layer));
  throw new ShapeError(
    `Cannot run a Llama with a cache whose layers have seen ${seen.join(", ")} tokens: a step ended between them; ` +
      `call truncate(${length}) on it first`,
  );
}

/** Takes a failed step out of the cache; layers that it had reached and layers that it had not agree again. */
export function takeBack(cache: KvCache, length: number): void {
  try {
    cache.truncate(length);
  } catch {
    cache.clear(); // what a window has let go of is gone: an empty cache is the only one that is right
  }
}

function checkIsCache(cache: KvCache): void {
  const { append, lengthOf } = cache ?? {}; // from JavaScript anything may come
  if (typeof append === "function" && typeof lengthOf === "function") return;
  throw new ShapeError(
    `Cannot go on from ${
      showValue(cache)
    }: it is no cache of keys and values; use model.createCache(), or a GrowableKvCache`,
  );
}

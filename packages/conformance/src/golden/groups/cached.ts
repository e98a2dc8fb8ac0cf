/** Caches as cases have them: filled with a past, and looked into. */
import { GrowableKvCache, type KvCache, type Tensor, zeros } from "../../../../core/mod.ts";
import type { Call } from "../call.ts";

/** A cache of one layer with the case's past, if it has one. */
export function cacheOf(c: Call): KvCache {
  const cache = new GrowableKvCache(1);
  if (c.has("past_keys")) cache.append(0, c.tensor("past_keys"), c.tensor("past_values"));
  return cache;
}

/**
 * All keys and values of a layer: appending no tokens shows them.
 *
 * @param shape `[B, Hkv, D]`
 */
export function contents(
  c: Call,
  cache: KvCache,
  layer: number,
  [batch, heads, headDim]: readonly [number, number, number],
): { keys: Tensor; values: Tensor } {
  const none = zeros([batch, heads, 0, headDim], { backend: c.backend });
  const { keys, values } = cache.append(layer, none, none);
  return { keys, values };
}

/** A sequence `[B, T, …]` cut into the case's chunks. */
export function chunksOf(c: Call, sequence: Tensor): Tensor[] {
  return sequence.split(c.attrs.numbers("schedule"), 1);
}

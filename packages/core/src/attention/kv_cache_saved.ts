/**
 * A cache as plain data: per layer the kept keys and values, in order and without gaps, as canonical bytes (little-endian
 * floats, or q8_0 blocks as GGML lays them out). Every backend reads and writes the same bytes.
 */
import { allocate } from "../dispatch.ts";
import { byteLengthOf } from "../dtype.ts";
import { DTypeError, ShapeError, showShape, showValue } from "../errors.ts";
import { checkShape, numelOf, type Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import type { KvCacheDType } from "./kv_cache.ts";
import { isKvCacheDType, KV_CACHE_DTYPES } from "./kv_cache_settings.ts";

/** The name of a form of cache. */
export type KvCacheForm = "growable" | "static" | "window" | "paged";

/** Keys or values of one layer. */
export interface SavedKvTensor {
  /** `[B, Hkv, S, D]`, S being the tokens kept. */
  readonly shape: Shape;
  /** Canonical bytes in row-major order. */
  readonly bytes: Uint8Array;
}

/** One layer. */
export interface SavedKvLayer {
  /** How both are stored. */
  readonly dtype: KvCacheDType;
  /** The keys. */
  readonly keys: SavedKvTensor;
  /** The values. */
  readonly values: SavedKvTensor;
}

/** What `save` gives and `restore` takes: a plain object that `structuredClone` copies. */
export interface SavedKvCache {
  /** The form it came from. */
  readonly form: KvCacheForm;
  /** How many layers it had. */
  readonly layers: number;
  /** Tokens seen by every layer, gone or not. */
  readonly tokens: number;
  /** Where the form is a window: which tokens it promises to keep, `left` positions before a query's own and the first. */
  readonly window?: { readonly left: number; readonly sinkTokens: number } | undefined;
  /** One entry a layer; none when no tokens were seen. */
  readonly entries: readonly SavedKvLayer[];
}

/**
 * @ignore A contiguous copy of keys or values in their own dtype, blocks too.
 */
export function gathered(view: Tensor): Tensor {
  const out = allocate(view.backend, view.shape, view.dtype);
  return view.numel === 0 ? out : out.copy_(view);
}

/** @ignore Reads a contiguous copy, and disposes of it. */
export async function savedTensor(copy: Tensor): Promise<SavedKvTensor> {
  try {
    const { backend, storage, shape, numel } = copy;
    return { shape: [...shape], bytes: await backend.download(storage.buffer, 0, numel) };
  } finally {
    copy.dispose();
  }
}

/**
 * @ignore Checks that something has the parts of a saved cache.
 * @throws {ShapeError} naming the first part that it lacks
 */
export function checkForm(saved: unknown): void {
  if (!isRecord(saved) || !Array.isArray(saved.entries)) {
    throw new ShapeError(`Cannot restore a cache from ${showValue(saved)}: it takes what save gives, awaited`);
  }
  saved.entries.forEach((entry: unknown, layer) => {
    for (const name of ["keys", "values"]) {
      const part = isRecord(entry) ? entry[name] : undefined;
      if (isRecord(part) && Array.isArray(part.shape) && part.bytes instanceof Uint8Array) continue;
      throw new ShapeError(
        `Cannot restore a cache: ${name} of layer ${layer} are ${showValue(part)}, and no shape with bytes in a ` +
          `Uint8Array; JSON cannot carry them, structuredClone can`,
      );
    }
  });
}

function isRecord(x: unknown): x is Record<string, unknown> {
  return typeof x === "object" && x !== null;
}

/**
 * @ignore Checks that saved data hold together, and are of the dtype that a cache holds, or any where nothing has settled
 * it.
 *
 * @throws {ShapeError} {DTypeError}
 */
export function checkSaved(saved: SavedKvCache, held: KvCacheDType | undefined): void {
  const { layers, tokens, entries } = saved;
  const expected = tokens === 0 ? 0 : layers;
  if (!Number.isInteger(tokens) || tokens < 0 || entries.length !== expected) {
    throw refuse(`it says ${tokens} tokens in ${layers} layers and has ${entries.length} of ${expected} entries`);
  }
  checkDTypes(saved, held);
  entries.forEach(({ dtype, keys, values }, layer) => {
    for (const [name, { shape, bytes }] of Object.entries({ keys, values })) {
      checkShape("restore saved keys and values", shape);
      const byteLength = shape.length === 4 ? byteLengthOf(dtype, numelOf(shape)) : undefined;
      if (byteLength === bytes.byteLength) continue;
      throw refuse(
        `${name} of layer ${layer}, ${dtype} ${showShape(shape)}, come as ${bytes.byteLength} bytes` +
          (byteLength === undefined ? ", and are no [B, Hkv, S, D]" : `, and take ${byteLength}`),
      );
    }
  });
}

function checkDTypes({ form, entries }: SavedKvCache, held: KvCacheDType | undefined): void {
  const first = held ?? entries[0]?.dtype;
  for (const { dtype } of entries) {
    if (!isKvCacheDType(dtype)) {
      throw new DTypeError(
        `Cannot restore a ${form} cache of ${showValue(dtype)}: a cache holds one of ${KV_CACHE_DTYPES}; save it again`,
      );
    }
    if (dtype === first) continue;
    const why = held === undefined
      ? `its first layer is ${first}; save it again`
      : `this one holds ${held}, and saved bytes are not converted; make one of dtype ${dtype}`;
    throw new DTypeError(`Cannot restore a ${form} cache of ${dtype}: ${why}`);
  }
}

function refuse(why: string): ShapeError {
  return new ShapeError(`Cannot restore a cache: ${why}; save it again`);
}

/** What the first append to a layer settles, and the checks that later ones must pass. */
import type { Backend } from "../backend.ts";
import { commonBackend } from "../dispatch.ts";
import { dtypeInfo } from "../dtype.ts";
import { BackendError, DTypeError, ShapeError, showShape, showValue } from "../errors.ts";
import { Tensor } from "../tensor.ts";
import type { KvCacheDType } from "./kv_cache.ts";
import { isKvCacheDType } from "./kv_cache_settings.ts";

/** @ignore Where and how a layer's keys `[batch, heads, S, keySize]` and values `[batch, heads, S, valueSize]` lie. */
export interface KvLayerKind {
  readonly backend: Backend;
  readonly dtype: KvCacheDType;
  readonly batch: number;
  readonly heads: number;
  readonly keySize: number;
  readonly valueSize: number;
}

/**
 * @ignore Checks new keys and values against their layer and the rest of the cache.
 *
 * @param own what the layer holds, once it holds something
 * @param other what some layer holds: all share backend, dtype and batch size
 * @param wanted the dtype asked for, which the first keys' stands in for
 * @returns the layer's kind
 * @throws {ShapeError} {DTypeError} {BackendError}
 */
export function kindOf(
  what: string,
  keys: Tensor,
  values: Tensor,
  own: KvLayerKind | undefined,
  other: KvLayerKind | undefined,
  wanted: KvCacheDType | undefined,
): KvLayerKind {
  checkTensors(what, keys, values);
  const backend = commonBackend("append", [keys, values]);
  const refuse = (why: string) =>
    new ShapeError(
      `Cannot append keys ${showShape(keys.shape)} and values ${showShape(values.shape)} to ${what}: ${why}`,
    );
  const [batch, heads, , keySize] = keys.shape as [number, number, number, number]; // where the rank is 4
  const valueSize = values.shape[3]!; // likewise
  if (keys.rank !== 4 || values.rank !== 4 || keys.shape.some((size, i) => i < 3 && size !== values.shape[i])) {
    throw refuse("each is [B, Hkv, T, D], with one T, B and Hkv");
  }
  if (own !== undefined && (own.heads !== heads || own.keySize !== keySize || own.valueSize !== valueSize)) {
    const has = (size: number) => `[${own.batch}, ${own.heads}, T, ${size}]`;
    throw refuse(`it holds keys ${has(own.keySize)} and values ${has(own.valueSize)}; use another cache`);
  }
  if (other !== undefined && other.batch !== batch) {
    throw refuse(`the cache holds ${other.batch} sequences; use another cache for ${batch}`);
  }
  if (other !== undefined && other.backend !== backend) {
    throw new BackendError(
      `Cannot append keys ${showShape(keys.shape)} on ${backend.name} to ${what}: the cache lives on ` +
        `${other.backend.name === backend.name ? "another instance of it" : other.backend.name}; ` +
        `move them with await keys.to(backend)`,
    );
  }
  const dtype = checkDType(what, keys, values, other?.dtype ?? wanted);
  return own ?? { backend, dtype, batch, heads, keySize, valueSize };
}

function checkTensors(what: string, keys: unknown, values: unknown): void {
  if (keys instanceof Tensor && values instanceof Tensor) return;
  const show = (x: unknown) => x instanceof Tensor ? `${x.dtype} ${showShape(x.shape)}` : showValue(x);
  throw new DTypeError(
    `Cannot append keys ${show(keys)} and values ${
      show(values)
    } to ${what}: each is a Tensor [B, Hkv, T, D]; make one ` +
      `with tensor()`,
  );
}

/** What the layer is to hold, the keys' dtype where nothing has settled it. */
function checkDType(what: string, keys: Tensor, values: Tensor, settled: KvCacheDType | undefined): KvCacheDType {
  const refuse = (why: string) =>
    new DTypeError(
      `Cannot append keys ${keys.dtype} ${showShape(keys.shape)} and values ${values.dtype} ` +
        `${showShape(values.shape)} to ${what}: ${why}`,
    );
  if (!isKvCacheDType(keys.dtype) || !isKvCacheDType(values.dtype)) {
    throw refuse('a cache takes floats and q8_0; convert with to("f32")');
  }
  const dtype = settled ?? keys.dtype;
  const { kind, blockSize } = dtypeInfo(dtype);
  if (kind === "block" && (keys.shape[3]! % blockSize !== 0 || values.shape[3]! % blockSize !== 0)) {
    throw refuse(
      `a ${dtype} cache needs head sizes that are multiples of ${blockSize}, not ${keys.shape[3]} and ` +
        `${values.shape[3]}; use dtype "f16"`,
    );
  }
  return dtype;
}

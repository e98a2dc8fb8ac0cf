/** What the constructors of caches check, so that a misspelt setting is refused and not left out. */
import { checkNames, DTypeError, ShapeError, showValue } from "../errors.ts";
import type { KvCacheDType, KvCacheOptions } from "./kv_cache.ts";

const DTYPES: Readonly<Record<KvCacheDType, true>> = { f32: true, f16: true, bf16: true, f64: true, q8_0: true };

/** @ignore Every dtype a cache can hold, as messages show them. */
export const KV_CACHE_DTYPES: string = Object.keys(DTYPES).join(", ");

/** @ignore Whether a cache can hold a dtype. */
export function isKvCacheDType(dtype: unknown): dtype is KvCacheDType {
  return typeof dtype === "string" && Object.hasOwn(DTYPES, dtype);
}

/**
 * @ignore The settings of a form of cache, with names and dtype checked.
 *
 * @param known the names it has
 * @param foreign names from elsewhere, with what to use instead
 * @throws {ShapeError} when another name is among them
 * @throws {DTypeError} when a cache cannot hold the dtype
 */
export function settingsOf<T extends KvCacheOptions>(
  form: string,
  options: T | undefined,
  known: Readonly<Record<keyof T, true>>,
  foreign: Readonly<Record<string, string>>,
): Partial<T> {
  checkNames(`make a ${form}`, options, known, foreign);
  const settings: Partial<T> = options ?? {};
  const { dtype } = settings;
  if (dtype === undefined || isKvCacheDType(dtype)) return settings;
  throw new DTypeError(`Cannot make a ${form} of dtype ${showValue(dtype)}: it is one of ${KV_CACHE_DTYPES}`);
}

/**
 * @ignore A setting that counts tokens.
 * @throws {ShapeError} unless it is a whole number of at least `least`
 */
export function countSetting(name: string, value: number | undefined, least: number): number {
  if (value !== undefined && Number.isSafeInteger(value) && value >= least) return value;
  throw new ShapeError(
    `Cannot make a cache with ${name} ${showValue(value)}: it is a whole number of tokens, at least ${least}`,
  );
}

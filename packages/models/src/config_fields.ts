/** Numbers of a config, each checked, with errors that name file and key. */
import { FormatError } from "../../formats/mod.ts";

/** What a config says under a key; undefined where nothing. */
export type Lookup = (key: string) => unknown;

/** The names and values of a JSON object; none of anything else. */
export function lookupIn(json: unknown): Lookup {
  const fields = new Map(Object.entries(typeof json === "object" && json !== null ? json : {}));
  return (key) => fields.get(key) ?? undefined; // null, too, says nothing
}

/**
 * A number above 0.
 *
 * @param fallback where the config says nothing
 * @throws {FormatError} when it is none
 */
export function numberOf(file: string, get: Lookup, key: string, fallback?: number): number {
  const value = get(key) ?? fallback;
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
  throw new FormatError(
    `Cannot read ${file}: "${key}" should be a number above 0, found ${JSON.stringify(value) ?? "nothing"}`,
    { file },
  );
}

/**
 * A number above 0, or undefined where the config says nothing.
 *
 * @throws {FormatError} when it says something else
 */
export function maybeNumber(file: string, get: Lookup, key: string): number | undefined {
  return get(key) === undefined ? undefined : numberOf(file, get, key);
}

/**
 * A whole number above 0.
 *
 * @param fallback where the config says nothing
 * @throws {FormatError} when it is none
 */
export function count(file: string, get: Lookup, key: string, fallback?: number): number {
  const value = numberOf(file, get, key, fallback);
  if (Number.isSafeInteger(value)) return value;
  throw new FormatError(`Cannot read ${file}: "${key}" should be a whole number, found ${value}`, { file });
}

/**
 * JSON from a file nobody vouches for. `JSON.parse` alone would recurse into, or make millions of objects of, a header
 * that is only brackets; so nesting is checked on the bytes first.
 */
import { formatError } from "./format_error.ts";

/** Headers are refused beyond this, as safetensors' own reader does. */
export const MAX_HEADER_BYTES = 100_000_000;

const QUOTE = 0x22, BACKSLASH = 0x5c;
const OPEN: ReadonlySet<number> = new Set([0x5b, 0x7b]);
const CLOSE: ReadonlySet<number> = new Set([0x5d, 0x7d]);

/** Whether a JSON value is an object. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * A JSON object.
 *
 * @param what what it is, for messages: `its header`
 * @param maxDepth levels of objects and arrays that it may have
 * @throws {FormatError} when it is not UTF-8, not JSON, no object, or nested deeper
 */
export function parseJsonObject(
  file: string,
  what: string,
  bytes: Uint8Array,
  maxDepth: number,
): Readonly<Record<string, unknown>> {
  if (deeperThan(bytes, maxDepth)) {
    throw formatError(file, `${what} is nested too deeply`, { expected: `at most ${maxDepth} levels` });
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw formatError(file, `${what} is not JSON`, { cause, found: cause instanceof Error ? cause.message : "" });
  }
  if (isObject(value)) return value;
  throw formatError(file, `${what} is not a JSON object`, { found: Array.isArray(value) ? "an array" : typeof value });
}

function deeperThan(bytes: Uint8Array, maxDepth: number): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte === QUOTE) inString = !inString;
    else if (inString) i += byte === BACKSLASH ? 1 : 0; // an escaped quote ends nothing
    else if (OPEN.has(byte)) depth++;
    else if (CLOSE.has(byte)) depth--;
    if (depth > maxDepth) return true;
  }
  return false;
}

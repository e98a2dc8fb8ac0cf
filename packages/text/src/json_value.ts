/** Checked reading of parsed JSON: each takes a value and where it stood, and throws a FormatError naming the place. */

import { quote } from "../../formats/src/format_error.ts";
import { tokenizerError } from "./vocabulary.ts";

/** A JSON object. */
export type JsonRecord = Readonly<Record<string, unknown>>;

/** A JSON object, not an array and not null. */
export function asRecord(value: unknown, where: string): JsonRecord {
  if (isRecord(value)) return value;
  throw expected("an object", value, where);
}

/** A JSON array. */
export function asArray(value: unknown, where: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw expected("an array", value, where);
}

/** A JSON string. */
export function asString(value: unknown, where: string): string {
  if (typeof value === "string") return value;
  throw expected("a string", value, where);
}

/** A JSON boolean. */
export function asBoolean(value: unknown, where: string): boolean {
  if (typeof value === "boolean") return value;
  throw expected("true or false", value, where);
}

/** A non-negative integer. */
export function asIndex(value: unknown, where: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw expected("a non-negative integer", value, where);
}

function isRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value for messages: plain values as they are, others by kind, since they may be huge or deep. */
export function describe(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "object") return Array.isArray(value) ? "an array" : "an object";
  return value === undefined ? "missing" : quote(value);
}

function expected(what: string, value: unknown, where: string): Error {
  return tokenizerError(`${where} is ${describe(value)}, expected ${what}`);
}

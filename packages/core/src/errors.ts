/**
 * The three errors a caller meets. Every message has one form:
 * `Cannot <op> <shapes>: <what is wrong>`, with the remedy last where there is one.
 * Checks run before anything is allocated, so after one of these nothing is half done.
 */

/** Shapes, dims, indices or strides that do not fit the operation. */
export class ShapeError extends RangeError {
  /** The class name, as messages show it. */
  override name = "ShapeError";
}

/** A dtype that the operation, or the backend, does not take. */
export class DTypeError extends TypeError {
  /** The class name, as messages show it. */
  override name = "DTypeError";
}

/** A backend that is missing, lost, out of memory, disposed of, or mixed with another in one operation. */
export class BackendError extends Error {
  /** The class name, as messages show it. */
  override name = "BackendError";
}

/** Formats a shape as messages show it: `[2, 3]`. */
export function showShape(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

/** A broken promise of the library's own; reaching it is a bug, and the message says so. */
export function internalError(what: string): Error {
  return new Error(`Internal: ${what}`);
}

/** A setting as messages show it; JSON would write NaN and Infinity as null, and fails on BigInts. */
export function showValue(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(showValue).join(", ")}]`;
  return typeof value === "object" && value !== null
    ? `an object of ${value.constructor?.name ?? "no class"}`
    : String(value);
}

/**
 * Refuses settings that nobody would look at: misspelt ones, those of other libraries, and what is no object at all.
 *
 * @param what what the message says cannot be done: `attend`, `make AdamW`
 * @param options what the caller gave; undefined is fine
 * @param known the names there are
 * @param foreign names from elsewhere, with what to use instead
 * @throws {ShapeError} naming the first unknown one
 */
export function checkNames(
  what: string,
  options: unknown,
  known: Readonly<Record<string, true>>,
  foreign: Readonly<Record<string, string>> = {},
): void {
  if (options === undefined) return;
  const names = () => Object.keys(known).join(", "); // ops come here on every call: only errors write it out
  const noOptions = () =>
    new ShapeError(`Cannot ${what} with options ${showValue(options)}: they are an object of ${names()}`);
  if (typeof options !== "object" || options === null || Array.isArray(options)) throw noOptions();
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue;
    if (options.constructor !== undefined && options.constructor.name !== "Object") throw noOptions(); // a tensor, say
    const instead = Object.hasOwn(foreign, name) ? foreign[name] : names();
    throw new ShapeError(`Cannot ${what} with an option "${name}": there is none; use ${instead}`);
  }
}

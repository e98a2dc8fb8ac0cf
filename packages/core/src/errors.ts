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

/** What an optimiser, or clipping, is given: tensors, checked to be some, since modules and named parameters come easily. */
import { ShapeError, Tensor } from "../../../core/mod.ts";
import { showValue } from "../../../core/src/errors.ts";

/**
 * The elements of what should be a list of parameters.
 *
 * @param what what the message says cannot be done: `make AdamW of`
 * @throws {ShapeError} when it is no list
 */
export function listOf<T>(what: string, parameters: Iterable<T>): T[] {
  if (isIterable(parameters)) return [...parameters];
  throw new ShapeError(`Cannot ${what} ${showValue(parameters)}: pass its parameters(), a list of tensors`);
}

/** Whether something can be gone through. */
export function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.iterator in value;
}

/**
 * The same, all of them tensors.
 *
 * @throws {ShapeError} when it is no list, or something in it is no tensor
 */
export function tensorsOf(what: string, parameters: Iterable<Tensor>): Tensor[] {
  const all = listOf(what, parameters);
  all.forEach((parameter: unknown, i) => {
    if (parameter instanceof Tensor) return;
    throw new ShapeError(
      `Cannot ${what} ${showValue(parameter)}, parameter ${i}: it is no tensor; pass model.parameters()`,
    );
  });
  return all;
}

/** Turning the recording of gradients off for a stretch of code, as `torch.no_grad()`. */

let depth = 0;

/** Whether ops record what a backward pass needs. */
export function isGradEnabled(): boolean {
  return depth === 0;
}

/**
 * Runs `fn` without recording gradients.
 *
 * @param fn a synchronous function
 * @returns what `fn` returns
 * @throws {TypeError} when `fn` returns a promise: recording would be on again before it is done
 */
export function noGrad<T>(fn: () => T): T {
  depth++;
  try {
    const result = fn();
    if (result instanceof Promise) {
      throw new TypeError("Cannot run an async function under noGrad: it outlives the call; wrap its parts instead");
    }
    return result;
  } finally {
    depth--;
  }
}

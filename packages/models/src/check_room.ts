/**
 * Whether a backend has room for a model's weights, told from the header before a byte of them is read: all of them
 * together against the budget, and each against the device's largest buffer. What generating takes besides, a cache above
 * all, depends on how long the texts are, and is allocated by then.
 */
import { type AllocateOptions, type Backend, BackendError, byteLengthOf } from "../../core/mod.ts";
import { showShape } from "../../core/src/errors.ts";
import { numelOf } from "../../core/src/shape.ts";
import type { TensorEntry, TensorFile } from "../../formats/mod.ts";

/** Bytes once loaded, which a wider integer type in the file does not change. */
function bytesOf({ dtype, shape }: TensorEntry): number {
  return byteLengthOf(dtype, numelOf(shape));
}

function show(entry: TensorEntry): string {
  return `"${entry.name}" ${entry.dtype} ${showShape(entry.shape)} (${bytesOf(entry)} bytes)`;
}

/**
 * Refuses a model that cannot be loaded.
 *
 * @param names the tensors it takes of the file; at least one
 * @param options how they will be allocated
 * @throws {BackendError} naming the bytes needed, the limit, the largest tensor and the remedy
 */
export function checkRoom(
  file: TensorFile,
  names: ReadonlySet<string>,
  backend: Backend,
  options: AllocateOptions,
): void {
  const entries = Array.from(names, (name) => file.tensors.get(name)!); // the pass over the header found them
  const total = entries.reduce((sum, entry) => sum + bytesOf(entry), 0);
  const largest = entries.reduce((a, b) => bytesOf(b) > bytesOf(a) ? b : a);
  const what = `Cannot load ${file.name} on ${backend.name}: it needs ${total} bytes`;
  const limit = backend.largestBuffer?.(options) ?? Infinity;
  if (bytesOf(largest) > limit) {
    throw new BackendError(
      `${what}, and its largest tensor ${show(largest)} is beyond the ${limit} that the device has for one; ` +
        "load a quantised form of the model, or use another backend",
    );
  }
  const { liveBytes, budgetBytes } = backend.memory;
  if (liveBytes + total <= budgetBytes) return;
  throw new BackendError(
    `${what}, which with the ${liveBytes} live ones would pass the budget of ${budgetBytes}; its largest tensor is ` +
      `${show(largest)}; dispose of tensors, load a quantised form of the model, or raise memoryBudgetBytes`,
  );
}

/**
 * Whether a backend has room for a model's weights, told from the header before a byte of them is read: all of them
 * together against the budget, and each against the device's largest buffer. What generating takes besides, a cache above
 * all, depends on how long the texts are, and is allocated by then.
 */
import { type Backend, BackendError, byteLengthOf, type DType } from "../../core/mod.ts";
import { showShape } from "../../core/src/errors.ts";
import { numelOf } from "../../core/src/shape.ts";
import type { TensorEntry, TensorFile } from "../../formats/mod.ts";

/** How weights will be held. */
export interface Held {
  /** The dtype of each, which may differ from the file's. */
  readonly dtypeOf: (entry: TensorEntry) => DType;
  /** Whether they will be written to. */
  readonly trainable: boolean;
}

/**
 * Refuses a model that cannot be loaded.
 *
 * @param names the tensors it takes of the file; at least one
 * @param held how they will be allocated
 * @throws {BackendError} naming the bytes needed, the limit, the largest tensor and the remedy
 */
export function checkRoom(
  file: TensorFile,
  names: ReadonlySet<string>,
  backend: Backend,
  { dtypeOf, trainable }: Held,
): void {
  const entries = Array.from(names, (name) => file.tensors.get(name)!); // the pass over the header found them
  const bytesOf = (entry: TensorEntry) => byteLengthOf(dtypeOf(entry), numelOf(entry.shape));
  const show = (entry: TensorEntry) =>
    `"${entry.name}" ${dtypeOf(entry)} ${showShape(entry.shape)} (${bytesOf(entry)} bytes)`;
  const total = entries.reduce((sum, entry) => sum + bytesOf(entry), 0);
  const largest = entries.reduce((a, b) => bytesOf(b) > bytesOf(a) ? b : a);
  const what = `Cannot load ${file.name} on ${backend.name}: it needs ${total} bytes`;
  const smaller = trainable ? "load a smaller model" : "load a quantised form of the model";
  const limit = backend.largestBuffer?.({ constant: !trainable }) ?? Infinity;
  if (bytesOf(largest) > limit) {
    throw new BackendError(
      `${what}, and its largest tensor ${show(largest)} is beyond the ${limit} that the device has for one; ` +
        `${smaller}, or use another backend`,
    );
  }
  const { liveBytes, budgetBytes } = backend.memory;
  if (liveBytes + total <= budgetBytes) return;
  throw new BackendError(
    `${what}, which with the ${liveBytes} live ones would pass the budget of ${budgetBytes}; its largest tensor is ` +
      `${show(largest)}; dispose of tensors, ${smaller}, or raise memoryBudgetBytes`,
  );
}

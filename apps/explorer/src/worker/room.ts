/** Whether a model has room, in the browser's storage and on the backend; asked before anything is downloaded. */
import { formatBytes } from "../format.ts";
import type { BackendChoice } from "../protocol.ts";
import { MOST_BYTES } from "./backends.ts";

/**
 * Refuses a model that is larger than what the backend can hold, or than this device's memory where it tells.
 *
 * @throws Error saying how much there is
 */
export function checkMemory(name: string, byteLength: number, choice: BackendChoice): void {
  const size = formatBytes(byteLength);
  if (byteLength > MOST_BYTES[choice]) {
    throw new Error(
      `Cannot load ${name} here: it takes ${size}, and WebAssembly can hold ${formatBytes(MOST_BYTES[choice])}; ` +
        `choose another backend, or a smaller model`,
    );
  }
  const gibibytes = (navigator as { readonly deviceMemory?: number }).deviceMemory; // Chromium only, and never above 8
  if (gibibytes === undefined || gibibytes >= 8 || byteLength <= gibibytes * 2 ** 30) return;
  throw new Error(`Cannot load ${name} here: it takes ${size}, and this device has about ${gibibytes} GiB of memory`);
}

/** Bytes of several files. */
export function totalBytes(files: readonly { readonly byteLength: number }[]): number {
  return files.reduce((total, { byteLength }) => total + byteLength, 0);
}

/** Bytes that the browser still lends to this page. */
export async function freeStorage(): Promise<number> {
  const { quota = Infinity, usage = 0 } = await navigator.storage.estimate();
  return Math.max(0, quota - usage);
}

/**
 * Refuses a download that could not be kept.
 *
 * @param missingBytes what is still to be stored
 * @throws Error saying how much there is
 */
export async function checkStorage(name: string, missingBytes: number): Promise<void> {
  const free = await freeStorage();
  if (missingBytes <= free) return;
  throw new Error(
    `Cannot keep ${name} here: it takes ${formatBytes(missingBytes)} more, and the browser lends ${
      formatBytes(free)
    }; ` +
      `remove other models, or open the file from disk`,
  );
}

/**
 * A weight larger than the device can bind at once is bound in windows: parts that begin where the device wants offsets
 * aligned, and cut nothing that must be whole (a word, a pair of blocks).
 */
import { internalError } from "../../core/src/errors.ts";
import type { BufferWindow } from "./buffer.ts";
import type { Gpu } from "./gpu.ts";

/**
 * The windows of a buffer, one where it can be bound whole.
 *
 * @param byteLength the buffer's
 * @param unitBytes what must not be cut
 */
export function windowsOf({ device: { limits } }: Gpu, byteLength: number, unitBytes: number): BufferWindow[] {
  const { maxStorageBufferBindingSize: limit, minStorageBufferOffsetAlignment: alignment } = limits;
  if (byteLength <= limit) return [{ offsetBytes: 0, byteLength }];
  const step = leastCommonMultiple(unitBytes, alignment);
  const size = Math.floor(limit / step) * step;
  if (size === 0) throw internalError(`no window of ${limit} bytes holds ${step}`); // no device is that small
  const windows: BufferWindow[] = [];
  for (let at = 0; at < byteLength; at += size) {
    windows.push({ offsetBytes: at, byteLength: Math.min(size, byteLength - at) });
  }
  return windows;
}

/** The smallest number that both divide. */
export function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return a / x * b;
}

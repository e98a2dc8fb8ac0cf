/**
 * Where a file's bytes come from. A {@linkcode ByteSource} is random access by `read(offset, length)`, which gives
 * exactly that many bytes or an error; readers above it never hold a whole file. Bytes in memory are a source here, a
 * Blob in blob_source.ts, HTTP in url_source.ts. Files on disk need a runtime's own API: applications make those.
 */
import { formatError } from "./format_error.ts";

/** A file that is read piece by piece. */
export interface ByteSource {
  /** What messages call it. */
  readonly name: string;
  /** Its length in bytes. */
  readonly byteLength: number;
  /**
   * Reads exactly `length` bytes from `offset` on.
   *
   * @param into room that the source may fill, at least `length` bytes
   * @returns the bytes, in `into` or in memory of the source's own: to be read only, and only until the next read
   * @throws {FormatError} when the file ends before that
   */
  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array>;
  /** Lets go of the file. */
  close?(): void;
}

/**
 * Checks that a range lies in a source; every source calls it first.
 *
 * @throws {FormatError} naming the range and the length of the file
 */
export function checkRange(source: ByteSource, offset: number, length: number): void {
  const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length);
  if (whole && offset >= 0 && length >= 0 && offset + length <= source.byteLength) return;
  throw formatError(source.name, `it ends too early`, {
    expected: `${length} bytes at ${offset}`,
    found: `${source.byteLength} bytes in all`,
  });
}

/**
 * Bytes in memory as a source; reads are views of them, without a copy.
 *
 * @param bytes the whole file
 * @param name what messages call it
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bytesSource } from "@heed/heed/formats";
 *
 * const source = bytesSource(new Uint8Array([1, 2, 3]), "three");
 * assertEquals(await source.read(1, 2), new Uint8Array([2, 3]));
 * ```
 */
export function bytesSource(bytes: Uint8Array, name: string): ByteSource {
  return {
    name,
    byteLength: bytes.byteLength,
    async read(offset: number, length: number): Promise<Uint8Array> { // async: a bad range rejects
      checkRange(this, offset, length);
      return await Promise.resolve(bytes.subarray(offset, offset + length));
    },
  };
}

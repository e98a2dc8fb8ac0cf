/**
 * A Blob (a browser's File is one) as a source. A model is read front to back in hundreds of reads, and each slice of a Blob
 * is a message to another process: in Chromium 98 MB take 190 ms by 1 MiB, and 100 ms by 8. So that much is read ahead, and
 * let go of at once when it is used up: left to the collector, a page loading as much was 50 MB larger.
 *
 * A stream into one buffer took 45 ms in Chromium, but in Deno, which gives 64 kB at a time, half as long again as slices.
 */
import { type ByteSource, checkRange } from "./byte_source.ts";

const AHEAD_BYTES = 1 << 23;

/**
 * A Blob as a source; a File keeps its name.
 *
 * @param blob the whole file
 * @param name what messages call it; the File's own name when left out
 */
export function blobSource(blob: Blob, name: string = blob instanceof File ? blob.name : "blob"): ByteSource {
  let [start, ahead] = [0, new Uint8Array()];
  const replace = (offset: number, bytes: Uint8Array<ArrayBuffer>): void => {
    ahead.buffer.transfer(0); // nobody else has it: reads copy
    [start, ahead] = [offset, bytes];
  };
  return {
    name,
    byteLength: blob.size,
    async read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> { // async: a bad range rejects
      checkRange(this, offset, length);
      if (offset < start || offset + length > start + ahead.length) {
        const end = Math.max(offset + length, Math.min(offset + AHEAD_BYTES, blob.size));
        replace(offset, new Uint8Array(await blob.slice(offset, end).arrayBuffer()));
      }
      const bytes = into?.subarray(0, length) ?? new Uint8Array(length);
      bytes.set(ahead.subarray(offset - start, offset - start + length)); // of no other read: nothing was awaited since
      return bytes;
    },
    close: () => replace(0, new Uint8Array()),
  };
}

/**
 * A File as a source, read in slices with some of what follows, as a model is read front to back. Files of the origin's own
 * file system are read by slices alone: their streams were seen to stop for ever in the middle (Chromium 156).
 */
import { type ByteSource, checkRange } from "../../../../packages/heed/mod.ts";

/** Read at once: a slice is a message to another process. */
const SLICE_BYTES = 4 << 20;

/** A File as a source. */
export function fileSource(file: File): ByteSource {
  let [start, slice] = [0, new Uint8Array()];
  return {
    name: file.name,
    byteLength: file.size,
    async read(offset: number, length: number): Promise<Uint8Array> {
      checkRange(this, offset, length);
      if (offset < start || offset + length > start + slice.length) {
        const end = Math.max(offset + length, Math.min(offset + SLICE_BYTES, file.size));
        slice = new Uint8Array(await file.slice(offset, end).arrayBuffer());
        start = offset;
      }
      return slice.subarray(offset - start, offset - start + length);
    },
  };
}

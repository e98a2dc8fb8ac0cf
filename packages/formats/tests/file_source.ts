/** A file on disk as a source, for tests, and the places of the golden files. */
import { type ByteSource, checkRange } from "../src/byte_source.ts";

/** Where the golden vectors lie. */
export const VECTORS = new URL("../../conformance/vectors/", import.meta.url);

/** Opens a file; close it when done. */
export function fileSource(path: URL): ByteSource {
  const file = Deno.openSync(path);
  return {
    name: path.pathname.split("/").at(-1) ?? "",
    byteLength: file.statSync().size,
    async read(offset, length, into) {
      checkRange(this, offset, length);
      const bytes = into?.subarray(0, length) ?? new Uint8Array(length);
      file.seekSync(offset, Deno.SeekMode.Start);
      for (let done = 0; done < length;) done += file.readSync(bytes.subarray(done))!;
      return await Promise.resolve(bytes);
    },
    close: () => file.close(),
  };
}

/** All pieces of a stream, copied as they come, since they share a buffer. */
export async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const all: number[] = [];
  for await (const piece of pieces) for (const byte of piece) all.push(byte);
  return new Uint8Array(all);
}

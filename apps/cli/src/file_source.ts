/**
 * A file on disk as a `ByteSource`. Seeking and reading happen in one turn, so reads that run at once cannot take each
 * other's position; after each there is a turn for interrupts and whatever else waits.
 */
import { basename } from "node:path";
import { setImmediate } from "node:timers/promises";
import { type ByteSource, checkRange } from "../../../packages/heed/mod.ts";
import { ModelError } from "./errors.ts";

/**
 * Opens a file for reading; `close()` lets go of it.
 *
 * @param path where it lies; its last part is its name in messages
 * @throws {ModelError} when it cannot be opened
 */
export async function fileSource(path: string): Promise<Required<ByteSource>> {
  const file = await open(path);
  const source: Required<ByteSource> = {
    name: basename(path),
    byteLength: file.statSync().size,
    async read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
      checkRange(source, offset, length);
      const bytes = into?.subarray(0, length) ?? new Uint8Array(length);
      file.seekSync(offset, Deno.SeekMode.Start);
      for (let done = 0; done < length;) {
        const count = file.readSync(bytes.subarray(done));
        if (count === null) throw new ModelError(`Cannot read ${path}: it became shorter while it was read`);
        done += count;
      }
      await setImmediate(); // as quick as no turn; the runtime looks at signals in every sixteenth or so
      return bytes;
    },
    close: () => file.close(),
  };
  return source;
}

async function open(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path);
  } catch (error) {
    throw new ModelError(`Cannot open ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
